#!/bin/bash
# Builds by cargo and copies what came of it. Where cargo puts that depends on the environment, on configuration
# files and on the machine that it builds for: so cargo is asked.
#
#     tests/cargo-into.sh ezdfs build/ezdfs -- build --release --bin ezdfs
set -euo pipefail

names=() targets=()
while [ "${1:?no --}" != -- ]; do
    names+=("$1")
    targets+=("${2:?no target}")
    shift 2
done
shift

# Cargo counts its own jobs: what it is told of make's cannot be reached from here.
messages=$(env -u MAKEFLAGS ${CARGO:-cargo} "$1" --message-format=json-render-diagnostics "${@:2}")
for i in "${!names[@]}"; do
    made=$(sed -n "s|.*[[\",]\"\(/[^\"]*/${names[i]}\)\".*|\1|p" <<< "$messages" | tail -n 1)
    if ! [ -f "$made" ]; then
        echo "$0: cargo has made no ${names[i]}" >&2
        exit 1
    fi
    # Another inode: a running process may have the old one mapped.
    case ${names[i]} in *.*) mode=644 ;; *) mode=755 ;; esac
    install -D -m "$mode" "$made" "${targets[i]}.new"
    mv "${targets[i]}.new" "${targets[i]}"
done
