#!/bin/bash
# Runs a command in a copy of this tree on a Debian of its own, with the Rust toolchain of this machine; without a
# command, `make demo` and `make test`. Its processes and mounts end with this script. As root.
#
#     tests/debian/run.sh build/tools/trixie [COMMAND...]
set -euo pipefail
cd "$(dirname "$0")/../.."

[ $# -ge 1 ] || { echo "usage: $0 DIRECTORY [COMMAND...]" >&2; exit 2; }
root=$(realpath "$1")/root
shift
[ $# -gt 0 ] || set -- tests/debian/everything.sh

cargo_home=${CARGO_HOME:-$HOME/.cargo}
rustup_home=${RUSTUP_HOME:-$HOME/.rustup}
if ! [ -d "$rustup_home/toolchains" ]; then
    echo "Rust has to come from https://rustup.rs: there is no toolchain in $rustup_home" >&2
    exit 1
fi

# What was installed and built there before stays, so that only what has changed is built again: what has not
# keeps its time, and what has gets a new one, whenever it was changed.
tree=$root/root/ezdfs
mkdir -p "$tree" "$root/root/.cargo" "$root/root/.rustup"
find "$root/tmp" -mindepth 1 -delete
rm -rf "$tree.new"
mkdir "$tree.new"
tar --create --exclude=./target --exclude=./build --exclude=./.git . | tar --extract --touch --directory "$tree.new"
while IFS= read -r -d '' file; do
    ! cmp --silent "$tree/$file" "$tree.new/$file" || touch --reference="$tree/$file" "$tree.new/$file"
done < <(cd "$tree.new" && find . -type f -print0)
for built in target build; do
    [ ! -e "$tree/$built" ] || mv "$tree/$built" "$tree.new"
done
rm -rf "$tree"
mv "$tree.new" "$tree"

# shellcheck disable=SC2016  # It is for the shell below.
exec unshare --mount --pid --fork --kill-child --propagation private bash -euc '
    root=$1 cargo_home=$2 rustup_home=$3
    shift 3
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount --rbind /dev "$root/dev"
    mount --bind "$cargo_home" "$root/root/.cargo"
    mount --bind -o ro "$rustup_home" "$root/root/.rustup"
    # The network as this machine knows it, its own authorities included.
    for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt; do
        [ -e "$root$file" ] || touch "$root$file"
        mount --bind -o ro "$file" "$root$file"
    done
    # No chroot, in which nobody could have a user namespace.
    cd "$root"
    pivot_root . .
    umount --lazy .
    path=/root/.cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    exec env --unset=CARGO_HOME --unset=RUSTUP_HOME HOME=/root PATH="$path" \
        sh -c "cd /root/ezdfs && exec \"\$@\"" sh "$@"
' bash "$root" "$cargo_home" "$rustup_home" "$@"
