#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Builds ngx_http_ezdfs_module.so.
#
#     EZDFS_INCLUDE=include EZDFS_LIB=build/libezdfs.a \
#         nginx-module/build.sh build/ngx_http_ezdfs_module.so
#
# EZDFS_INCLUDE   directory of ezdfs.h; default: ../include
# EZDFS_LIB       static archive; default: ../build/libezdfs.a
# NGX_SRC         nginx sources; default: those of Debian's nginx-dev
# NGX_FLAGS       configure flags for NGX_SRC; default: --with-compat --with-threads
# BUILD_DIR       kept between builds; default: nginx-module-obj beside OUTPUT
#
# nginx is configured again only when its sources, the flags or the module's
# configuration change, and each time where a path has a space.

set -euo pipefail

die() { echo "build.sh: $*" >&2; exit 1; }

[ $# -eq 1 ] || die "usage: build.sh OUTPUT.so"

module=$(cd "$(dirname "$0")" && pwd)
output=$(realpath -m "$1")
src=$(realpath -m "${NGX_SRC:-/usr/share/nginx/src}")
build=$(realpath -m "${BUILD_DIR:-$(dirname "$output")/nginx-module-obj}")

EZDFS_INCLUDE=$(realpath -m "${EZDFS_INCLUDE:-$module/../include}")
EZDFS_LIB=$(realpath -m "${EZDFS_LIB:-$module/../build/libezdfs.a}")

[ -d "$src" ] || die "no directory $src: install nginx-dev or set NGX_SRC"
[ -f "$EZDFS_INCLUDE/ezdfs.h" ] || die "no ezdfs.h in $EZDFS_INCLUDE"
[ -f "$EZDFS_LIB" ] || die "no archive $EZDFS_LIB"

# nginx's configure and Makefile take no path with a space or the like: they
# get links to such paths
case $module$EZDFS_INCLUDE$EZDFS_LIB in
*[!A-Za-z0-9/._+-]*)
    links=$(mktemp -d /tmp/ezdfs-nginx.XXXXXX)
    trap 'rm -rf "$links"' EXIT
    ln -s "$module" "$links/module"
    ln -s "$EZDFS_INCLUDE" "$links/include"
    ln -s "$EZDFS_LIB" "$links/libezdfs.a"
    module=$links/module
    EZDFS_INCLUDE=$links/include
    EZDFS_LIB=$links/libezdfs.a
    ;;
esac
export EZDFS_INCLUDE EZDFS_LIB

if [ -n "${NGX_SRC:-}" ]; then
    read -ra flags <<< "${NGX_FLAGS:---with-compat --with-threads}"
else
    # the flags of the installed nginx: a module must be built with the same
    # shellcheck source=/dev/null
    . "$src/conf_flags"
    flags=("${NGX_CONF_FLAGS[@]}")
fi

flags+=(--with-cc-opt="${CFLAGS:--g -O2 -fstack-protector-strong} -fPIC"
        --with-ld-opt="${LDFLAGS:--Wl,-z,relro -Wl,-z,now}"
        --add-dynamic-module="$module")

version=$(grep -h 'define nginx_version' "$src/src/core/nginx.h")
stamp=$(printf '%s\n' "$src" "$version" "${flags[@]}" \
        "$EZDFS_INCLUDE" "$EZDFS_LIB" "${EZDFS_SYSLIBS:-}"
        cat "$module/config")

if [ ! -f "$build/stamp" ] || [ "$stamp" != "$(cat "$build/stamp")" ]; then
    rm -rf "$build/nginx" "$build/stamp"
    mkdir -p "$build"
    cp -r "$src/." "$build/nginx"

    cd "$build/nginx"

    # a release has ./configure, a repository auto/configure
    configure=./configure
    [ -x $configure ] || configure=auto/configure

    $configure "${flags[@]}" > "$build/configure.log" 2>&1 \
        || { cat "$build/configure.log" >&2; die "configure failed"; }

    printf '%s\n' "$stamp" > "$build/stamp"
fi

make -s -C "$build/nginx" -f objs/Makefile modules

# a running nginx may have the old file mapped: replace it, do not rewrite it
mkdir -p "$(dirname "$output")"
cp "$build/nginx/objs/ngx_http_ezdfs_module.so" "$output.new"
mv "$output.new" "$output"
