#!/bin/bash
# Compares the C interface with the one that programs were built with (include/ezdfs.abi): nothing of it may go or
# change as long as the soname stays. What is new is written down by `make abi`.
#
#     tests/lint/abi.sh            compares
#     tests/lint/abi.sh --write    writes include/ezdfs.abi
#
# What C programs see is the header, so it is described, by functions of these names that do nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! command -v abidiff > /dev/null; then
    echo "abidiff of libabigail is missing (Debian: abigail-tools): the C interface is not compared" >&2
    if [ "${CI:-}" = true ]; then exit 1; else exit 0; fi
fi

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

{
    echo '#include "ezdfs.h"'
    # Each declaration of a function becomes a definition.
    sed -n '/^extern "C" {/,/^}  \/\/ extern "C"/p' include/ezdfs.h | sed '1,2d' \
        | sed -e '/^ *\/\*\*/,/\*\//d' -e '/^#/d' -e '/^}/d' | sed -e 's/);$/) { __builtin_trap(); }/'
} > "$place/interface.c"
gcc -std=c99 -g -O0 -ffile-prefix-map="$place"=. -shared -fPIC -Wno-return-type -Iinclude -Wl,-soname,libezdfs.so.0 \
    -o "$place/libezdfs.so.0" "$place/interface.c"
abidw --no-comp-dir-path --no-corpus-path --no-show-locs --no-architecture --out-file "$place/new.abi" "$place/libezdfs.so.0"

if [ "${1:-}" = --write ]; then
    mv "$place/new.abi" include/ezdfs.abi
    exit
fi
# 4: something has changed, 8: in a way that breaks programs.
code=0
abidiff include/ezdfs.abi "$place/new.abi" || code=$?
if [ "$code" -ne 0 ]; then
    echo "The C interface is not that of include/ezdfs.abi. What was only added: make abi. What breaks programs needs another soname." >&2
    exit 1
fi
