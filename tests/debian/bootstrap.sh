#!/bin/bash
# Makes a bare Debian in a directory: what its installer gives, and make. As root; nothing of the system is changed.
#
#     tests/debian/bootstrap.sh trixie build/tools/trixie
set -euo pipefail

[ $# -eq 2 ] || { echo "usage: $0 SUITE DIRECTORY" >&2; exit 2; }
suite=$1
root=$(realpath -m "$2")
if [ -e "$root/complete" ]; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "Only root can make a Debian to try things in." >&2
    exit 1
fi
if ! command -v debootstrap > /dev/null; then
    echo "debootstrap is missing: apt-get install debootstrap" >&2
    exit 1
fi

rm -rf "$root"
mkdir -p "$root"
echo "Fetching Debian's $suite into $root"
if ! debootstrap --variant=minbase --include=ca-certificates,make "$suite" "$root/root" \
    http://deb.debian.org/debian > "$root/log"; then
    cat "$root/log" >&2
    exit 1
fi
# Services of packages are installed there, never started.
printf '#!/bin/sh\nexit 101\n' > "$root/root/usr/sbin/policy-rc.d"
chmod 755 "$root/root/usr/sbin/policy-rc.d"
touch "$root/complete"
