#!/bin/bash
# Installs the Debian packages that are missing for `build`, `demo`, `test`, `nfs` or `bench`, and says so.
# Rust itself comes from rustup. Services of the packages are installed, never started.
set -euo pipefail

build=(gcc libc6-dev make pkg-config libssl-dev nginx nginx-dev php-cli php-dev libclang-dev)
demo=("${build[@]}" php-fpm)
test=("${build[@]}" g++ mariadb-server galera-4 postgresql pgbouncer valgrind curl openssl php-cgi php-fpm)
test+=(php-{mysql,pgsql,sqlite3} phpunit php-doctrine-dbal php-symfony-{config,dependency-injection,expression-language,filesystem,http-kernel,yaml})
nfs=("${build[@]}" mariadb-server python3 curl qemu-system-x86 e2fsprogs)
bench=("${build[@]}" python3 wrk mariadb-server postgresql php-fpm php-mysql varnish)

case "${1:-}" in
    build | demo | test | nfs | bench) declare -n packages=$1 ;;
    *) echo "usage: $0 build|demo|test|nfs|bench" >&2; exit 2 ;;
esac

if ! command -v cargo > /dev/null; then
    echo "Rust is missing: install it from https://rustup.rs, then run this again." >&2
    exit 1
fi
if ! { command -v dpkg-query && command -v apt-get; } > /dev/null; then
    echo "This is not a Debian system: make sure that these are installed: ${packages[*]}" >&2
    exit 0
fi

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f '${Status}' "$package" 2> /dev/null || true)
    [ "$status" = "install ok installed" ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

install="apt-get install --yes --no-install-recommends ${missing[*]}"
if [ "$(id -u)" -ne 0 ]; then
    echo "Debian packages are missing. As root, run:" >&2
    echo "    $install" >&2
    exit 1
fi

echo "Installing Debian packages: ${missing[*]}"
# The packages' own servers are not wanted: forbid their start, unless the machine has a policy.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
$install --quiet=2 < /dev/null > /dev/null
echo "Installed; none of their services was started."
