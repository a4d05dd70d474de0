#!/bin/bash
# Unpacks MySQL into a directory of its own, with the libraries that it needs: Debian 12 has no MySQL,
# its unstable suite has. Nothing is installed, and apt keeps its lists and downloads there, too.
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: $0 DIRECTORY" >&2; exit 2; }
root=$(realpath -m "$1")
if [ -e "$root/complete" ]; then
    exit 0
fi

rm -rf "$root"
mkdir -p "$root"/apt/{lists,archives,cache}/partial "$root/root"
: > "$root/apt/status"
cat > "$root/apt/sources.list" << END
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian unstable main
END
cat > "$root/apt/apt.conf" << END
Dir::Etc::sourcelist "$root/apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "$root/apt";
Dir::State::status "$root/apt/status";
Dir::State::lists "$root/apt/lists";
Dir::Cache "$root/apt/cache";
Dir::Cache::archives "$root/apt/archives";
APT::Install-Recommends "false";
APT::Sandbox::User "";
Debug::NoLocking "true";
END
export APT_CONFIG=$root/apt/apt.conf DEBIAN_FRONTEND=noninteractive
echo "Fetching MySQL from Debian's unstable suite into $root"
apt-get update --quiet=2
apt-get install --quiet=2 --yes --download-only mysql-server-core > /dev/null
for package in "$root"/apt/archives/*.deb; do
    # The scripts of the package need it, the server does not.
    case ${package##*/} in perl* | libperl*) continue ;; esac
    dpkg-deb --extract "$package" "$root/root"
done
rm -rf "$root/apt"

# By its own dynamic linker, with its own libraries: this system's are older.
cat > "$root/mysqld" << 'END'
#!/bin/sh
here=$(dirname "$(realpath "$0")")/root/usr
machine=$(basename "$here"/lib/*-linux-gnu)
exec "$here"/lib*/ld-linux*.so.* --library-path "$here/lib/$machine" "$here/sbin/mysqld" "$@" --basedir="$here"
END
chmod 755 "$root/mysqld"
"$root/mysqld" --no-defaults --version
touch "$root/complete"
