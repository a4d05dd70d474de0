#!/bin/bash
# What has to work on a bare Debian 13: the demo shows a page, and every trial passes.
set -euo pipefail
cd "$(dirname "$0")/../.."
export DEMO_PORT=8180

log=$(mktemp)
make demo > "$log" 2>&1 &
demo=$!
until grep -q 'Press Ctrl-C' "$log"; do
    kill -0 "$demo" 2> /dev/null || { cat "$log"; exit 1; }
    sleep 1
done
exec 3<> "/dev/tcp/127.0.0.1/$DEMO_PORT"
printf 'GET / HTTP/1.0\r\n\r\n' >&3
grep -q '<figure><img' <&3
exec 3>&-
# make hands the signal on, and says that it was ended by one.
kill -TERM "$demo"
wait "$demo" || true
if compgen -G '/tmp/ezdfs-demo.*'; then
    echo "The demo has left something." >&2
    exit 1
fi
echo "make demo shows its page."

make test
