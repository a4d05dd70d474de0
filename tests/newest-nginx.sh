#!/bin/bash
# Puts the newest nginx that Debian has, with the libraries that it was built with and the sources that
# modules are built with, into a directory of its own. Nothing of the system is changed, and nobody has to be root.
#
#     tests/newest-nginx.sh build/tools/newest-nginx
#
# DIRECTORY/nginx starts it, DIRECTORY/root/usr/share/nginx/src is for NGX_SRC.
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: $0 DIRECTORY" >&2; exit 2; }

# Where the index of a suite speaks of what the mirror has no more, the next one will do.
suites=(sid testing stable)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
mirror=http://deb.debian.org/debian

target=$(realpath -m "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A world of apt's own, in which nothing is installed.
apt() {
    apt-get --quiet=2 -o Dir::Etc::SourceList="$work/sources" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null -o Dir::State="$work/state" \
        -o Dir::State::Status="$work/state/status" -o Dir::Cache="$work/cache" \
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o APT::Sandbox::User="$(id -un)" "$@"
}

fetch() {
    rm -rf "${work:?}"/*
    mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/root"
    : > "$work/state/status"
    echo "deb [signed-by=$keyring] $mirror $1 main" > "$work/sources"
    apt update || return 1
    apt install --yes --no-install-recommends --download-only nginx < /dev/null > /dev/null || return 1
    (cd "$work/cache/archives" && apt download nginx-dev) || return 1
    local package
    for package in "$work"/cache/archives/*.deb; do
        dpkg-deb --extract "$package" "$work/root" || return 1
    done
}

for suite in "${suites[@]}"; do
    if fetch "$suite"; then
        # Newer than the system's C library, so by the loader that belongs to it.
        loader=$(find "$work/root" -name 'ld-linux*.so.*' | head -n 1)
        libraries=$(dirname "$(find "$work/root" -name 'libc.so.6' | head -n 1)")
        cat > "$work/nginx" << END
#!/bin/sh
here=\$(dirname "\$(readlink -f "\$0")")
exec "\$here/${loader#"$work/"}" --library-path "\$here/${libraries#"$work/"}" "\$here/root/usr/sbin/nginx" "\$@"
END
        chmod 755 "$work/nginx"
        rm -rf "$target"
        mkdir -p "$target"
        cp -r "$work/root" "$work/nginx" "$target"
        "$target/nginx" -v
        exit
    fi
done
echo "Debian's mirror has no newer nginx for us." >&2
exit 1
