#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Builds mod_ezdfs.so.
#
#     EZDFS_INCLUDE=include EZDFS_LIB=build/libezdfs.a apache-module/build.sh build/mod_ezdfs.so
#
# EZDFS_INCLUDE   directory of ezdfs.h; default: ../include
# EZDFS_LIB       static archive; default: ../build/libezdfs.a
# EZDFS_SYSLIBS   what the archive needs of the system
# APXS            of the httpd that will load it; default: apxs
# CC, CFLAGS, LDFLAGS   as everywhere; CFLAGS replaces those of apxs

set -euo pipefail

die() { echo "build.sh: $*" >&2; exit 1; }

[ $# -eq 1 ] || die "usage: build.sh OUTPUT.so"

module=$(cd "$(dirname "$0")" && pwd)
output=$(realpath -m "$1")
apxs=${APXS:-apxs}
include=$(realpath -m "${EZDFS_INCLUDE:-$module/../include}")
lib=$(realpath -m "${EZDFS_LIB:-$module/../build/libezdfs.a}")

command -v "$apxs" > /dev/null || die "no $apxs: install apache2-dev or set APXS"
[ -f "$include/ezdfs.h" ] || die "no ezdfs.h in $include"
[ -f "$lib" ] || die "no archive $lib"

read -ra flags <<< "$("$apxs" -q EXTRA_CPPFLAGS) ${CFLAGS-$("$apxs" -q CFLAGS)}"
read -ra ldflags <<< "${LDFLAGS--Wl,-z,relro -Wl,-z,now}"
read -ra syslibs <<< "${EZDFS_SYSLIBS:--lssl -lcrypto -lpthread -ldl -lm -lgcc_s}"

# The archive brings its own SQLite and cryptography: none of their symbols may meet those of the
# host process. The module stays mapped until the process ends, because the library's threads may
# outlive a closed configuration.
mkdir -p "$(dirname "$output")"
${CC:-cc} "${flags[@]}" -fPIC -Wall -Wextra -Wno-unused-parameter \
    -Wno-missing-field-initializers -I"$include" -I"$("$apxs" -q INCLUDEDIR)" \
    -I"$("$apxs" -q APR_INCLUDEDIR)" -I"$("$apxs" -q APU_INCLUDEDIR)" \
    -shared -o "$output.new" "$module"/*.c \
    "${ldflags[@]}" -Wl,--exclude-libs,ALL -Wl,-Bsymbolic -Wl,-z,nodelete -Wl,--gc-sections \
    -Wl,--version-script="$module/module.map" "$lib" "${syslibs[@]}"

# A running httpd may have the old file mapped: replace it, do not rewrite it.
mv "$output.new" "$output"
