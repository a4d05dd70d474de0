#!/bin/bash
# Leaves the packages of this tree in build/packages/first, and those of a newer version in build/packages/next.
# Runs on a system that is there for nothing else: installs what is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
packages=$PWD/build/packages

sums() {  # of the packages in a directory
    (cd "$1" && sha256sum -- *.deb)
}

keep() {  # the packages that `make deb` has left in a directory
    mkdir -p "$2"
    mv "$1"/*.deb "$1"/*.changes "$1"/*.buildinfo "$2"
}

rm -rf "$packages"
make deb
keep build/deb "$packages/first"
sums "$packages/first"

echo "What lintian has to say:"
# The archive asks for a bug that the first upload closes, and these are not uploaded there. What is overridden stands in
# debian/*.lintian-overrides with its reason, and would count if it were shown here.
lintian --allow-root --display-info --fail-on error,warning \
    --suppress-tags initial-upload-closes-no-bugs "$packages"/first/*.changes

# The same with all directories elsewhere, and with other words in the environment.
again=$(mktemp -d)
trap 'rm -rf "$again"' EXIT
mkdir "$again/cargo"
ln -s "${CARGO_HOME:-$HOME/.cargo}/registry" "$again/cargo/registry"
LC_ALL=C TZ=Pacific/Chatham CARGO_HOME=$again/cargo make deb DEB="$again/another/folder"
sums "$again/another/folder" > "$again/sums"
sums "$packages/first" | diff - "$again/sums"
echo "Built in another folder: the same bytes."
rm -rf "$again"

# A newer version, with other options in the file that an operator has changed. Nothing is compiled for it.
cd build/deb/ezdfs-*/
version=$(dpkg-parsechangelog --show-field Version)
maintainer=$(dpkg-parsechangelog --show-field Maintainer)
cat - debian/changelog > debian/changelog.new << END
ezdfs ($version+next) unstable; urgency=medium

  * A newer version.

 -- $maintainer  $(date --rfc-email)

END
mv debian/changelog.new debian/changelog
echo '#table = "ezdfsfile"' >> debian/ezdfs.toml
dpkg-buildpackage --build=binary --no-sign --no-pre-clean
keep .. "$packages/next"
