#!/bin/bash
# Builds the packages on a Debian of their own, in two folders that have to come to the same bytes, and in a newer
# version; then installs, upgrades and purges them on a bare one. As root.
#
#     tests/deb/run.sh trixie build/tools
set -euo pipefail
cd "$(dirname "$0")/../.."

[ $# -eq 2 ] || { echo "usage: $0 SUITE DIRECTORY" >&2; exit 2; }
suite=$1 tools=$2
build=$tools/$suite bare=$tools/$suite-bare node=$tools/$suite-node
tests/debian/bootstrap.sh "$suite" "$build"
tests/debian/bootstrap.sh "$suite" "$bare"

tests/debian/run.sh "$build" tests/deb/build.sh

# What the last run left there was of another one.
rm -rf "$node"
mkdir "$node"
trap 'rm -rf "$node"' EXIT
cp -a "$bare/root" "$node/root"
cp -R "$build/root/root/ezdfs/build/packages" "$node/root/root/packages"
tests/debian/run.sh "$node" tests/deb/node.sh /root/packages/first /root/packages/next
