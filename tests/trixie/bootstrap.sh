#!/bin/bash
# Makes a bare Debian 13 in a directory: what its installer gives, and make. As root; nothing of the system is changed.
#
#     tests/trixie/bootstrap.sh build/tools/trixie
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: $0 DIRECTORY" >&2; exit 2; }
root=$(realpath -m "$1")
if [ -e "$root/complete" ]; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "Only root can make a Debian 13 to try things in." >&2
    exit 1
fi
if ! command -v debootstrap > /dev/null; then
    echo "debootstrap is missing: apt-get install debootstrap" >&2
    exit 1
fi

rm -rf "$root"
mkdir -p "$root"
echo "Fetching Debian 13 into $root"
if ! debootstrap --variant=minbase --include=ca-certificates,make trixie "$root/root" \
    http://deb.debian.org/debian > "$root/log"; then
    cat "$root/log" >&2
    exit 1
fi
# Services of packages are installed there, never started.
printf '#!/bin/sh\nexit 101\n' > "$root/root/usr/sbin/policy-rc.d"
chmod 755 "$root/root/usr/sbin/policy-rc.d"
touch "$root/complete"
