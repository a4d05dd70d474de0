#!/bin/bash
# Shows a cluster: it is a part of the test program, which ends by itself when it is told to. Nothing stands between
# that and a Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/../.."

program=$(env -u MAKEFLAGS "${CARGO:-cargo}" test --quiet --locked --all-features --test tests --no-run \
    --message-format=json-render-diagnostics | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
exec "$program" demo-cluster
