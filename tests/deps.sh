#!/bin/bash
# Installs the Debian packages that are missing for `build`, `deb`, `demo`, `test`, `cluster`, `nfs` or `bench`, and says so.
# Rust itself comes from rustup. Services of the packages are installed, never started.
#
#     tests/deps.sh test
#     tests/deps.sh --check build
#
# With --check nothing is installed: says what is missing to compile `build`, or one part of it. That is for
# every system, and for who has no need of packages: it looks for the things themselves.
set -euo pipefail
cd "$(dirname "$0")/.."

build=(gcc libc6-dev make pkg-config libssl-dev nginx nginx-dev php-cli php-dev libclang-dev)
deb=("${build[@]}" apache2-dev build-essential debhelper dh-php lintian)
demo=("${build[@]}" php-fpm)
test=("${build[@]}" abigail-tools apache2 apache2-dev g++ mariadb-server galera-4 postgresql pgbouncer valgrind curl openssl git groff-base zsh fish systemd prometheus varnish composer php-cgi php-fpm)
test+=(php-{mysql,pgsql,sqlite3} phpunit php-doctrine-dbal php-symfony-{config,dependency-injection,expression-language,filesystem,http-kernel,yaml,framework-bundle,twig-bundle,web-profiler-bundle} php-monolog)
cluster=("${build[@]}" apache2 apache2-dev mariadb-server mariadb-client varnish redis-server prometheus iproute2 php-fpm php-redis php-doctrine-dbal chromium)
cluster+=(php-symfony-{config,dependency-injection,filesystem,http-kernel,yaml,framework-bundle})
command -v npm > /dev/null || cluster+=(nodejs npm)
nfs=("${build[@]}" mariadb-server python3 curl qemu-system-x86 e2fsprogs)
bench=("${build[@]}" apache2 apache2-dev python3 valgrind wrk mariadb-server postgresql php-fpm php-mysql varnish)

usage() {
    echo "usage: $0 build|deb|demo|test|cluster|nfs|bench, or $0 --check build|command|module|apache|extension|lint" >&2
    exit 2
}

missing=() packages=()
misses() {  # what, and the packages that have it
    missing+=("$1")
    packages+=("${@:2}")
}

find_rust() {
    local cargo=${CARGO:-cargo} rustc=${RUSTC:-rustc} wanted found
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    if ! { command -v "${cargo%% *}" && command -v "$rustc"; } > /dev/null; then
        misses "Rust $wanted or later: install it from https://rustup.rs"
        return
    fi
    found=$("$rustc" --version | sed 's/^rustc \([0-9.]*\).*/\1/') || true
    if [ "$(printf '%s\n' "$wanted" "$found" | sort --version-sort | head -n 1)" != "$wanted" ]; then
        misses "Rust $wanted or later, this is ${found:-none}: rustup update"
    fi
}

find_rust_tools() {
    local tool
    for tool in fmt clippy; do
        ${CARGO:-cargo} "$tool" --version &> /dev/null || misses "cargo $tool: rustup component add rustfmt clippy"
    done
}

# rustc links by it, too.
find_compiler() {
    if ! echo 'int main(void) { return 0; }' | cc -x c - -o /dev/null 2> /dev/null; then
        misses "a compiler and linker of C: cc" gcc libc6-dev
    fi
}

find_openssl() {
    [ -z "${OPENSSL_DIR:-}${OPENSSL_LIB_DIR:-}" ] || return 0
    if ! command -v pkg-config > /dev/null; then
        misses "pkg-config, which finds OpenSSL" pkg-config libssl-dev
    elif ! pkg-config --exists openssl; then
        misses "the headers of OpenSSL" libssl-dev
    fi
}

find_nginx() {
    [ -d "${NGX_SRC:-/usr/share/nginx/src}" ] || misses "the sources of nginx, in /usr/share/nginx/src" nginx-dev
}

find_apxs() {
    command -v "${APXS:-apxs}" > /dev/null || misses "the headers of Apache httpd, and ${APXS:-apxs}" apache2-dev
}

find_php() {
    local config=${PHP_CONFIG:-php-config} include
    if ! include=$("$config" --include-dir 2> /dev/null) || ! [ -f "$include/main/php.h" ]; then
        misses "the headers of PHP, and $config" php-dev
    fi
    # It is asked for its version while the extension is built.
    command -v "${PHP:-php}" > /dev/null || misses "PHP: ${PHP:-php}" php-cli
}

# Where the crate clang-sys looks.
find_libclang() {
    [ -z "${LIBCLANG_PATH:-}" ] || return 0
    local place
    for place in /usr/{lib,lib64,local/lib}/{,*-linux-gnu/,llvm*/lib/,llvm/*/lib/}libclang{,-*}.so{,.*}; do
        [ ! -e "$place" ] || return 0
    done
    ! command -v llvm-config > /dev/null || return 0
    misses "libclang, which reads PHP's headers" libclang-dev
}

check() {
    case $1 in
        build) find_rust; find_compiler; find_openssl; find_nginx; find_php; find_libclang ;;
        command) find_rust; find_compiler; find_openssl ;;
        module) find_rust; find_compiler; find_openssl; find_nginx ;;
        apache) find_rust; find_compiler; find_openssl; find_apxs ;;
        extension) find_rust; find_compiler; find_openssl; find_php; find_libclang ;;
        lint) find_rust; find_rust_tools; find_compiler; find_openssl; find_php; find_libclang ;;
        *) usage ;;
    esac
    [ ${#missing[@]} -gt 0 ] || exit 0
    echo "This is missing to build ezdfs:" >&2
    printf '    %s\n' "${missing[@]}" >&2
    if [ ${#packages[@]} -gt 0 ]; then
        echo "On Debian, as root: apt-get install ${packages[*]}" >&2
    fi
    exit 1
}

if [ "${1:-}" = --check ] && [ $# -eq 2 ]; then
    check "$2"
fi
case "${1:-}" in
    build | deb | demo | test | cluster | nfs | bench) declare -n wanted=$1 ;;
    *) usage ;;
esac

find_rust
if [ ${#missing[@]} -gt 0 ]; then
    echo "Missing: ${missing[*]}" >&2
    exit 1
fi
if ! { command -v dpkg-query && command -v apt-get; } > /dev/null; then
    echo "This is not a Debian system: make sure that these are installed: ${wanted[*]}" >&2
    exit 0
fi

for package in "${wanted[@]}"; do
    status=$(dpkg-query -W -f '${Status}' "$package" 2> /dev/null || true)
    [ "$status" = "install ok installed" ] || packages+=("$package")
done
if [ ${#packages[@]} -eq 0 ]; then
    exit 0
fi

install="apt-get install --yes --no-install-recommends ${packages[*]}"
if [ "$(id -u)" -ne 0 ]; then
    echo "Debian packages are missing. As root, run:" >&2
    echo "    $install" >&2
    exit 1
fi

echo "Installing Debian packages: ${packages[*]}"
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
