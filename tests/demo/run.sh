#!/bin/bash
# Shows the fixture pictures out of a private nginx: found through a SQLite table, read from a
# storage directory, no PHP on the way. What is uploaded comes through a private php-fpm and the
# extension. Ctrl-C stops it. DEMO_PORT chooses the port. Runs what `make build` left in build/.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/demo

dir=$(mktemp -d "${TMPDIR:-/tmp}/ezdfs-demo.XXXXXX")
pids=()

cleanup() {
    local pid
    trap '' INT TERM HUP
    for pid in "${pids[@]}"; do
        kill -TERM "$pid" 2> /dev/null || true
        wait "$pid" 2> /dev/null || true
    done
    rm -rf "$dir"
}
trap cleanup EXIT
# A demo that was asked to stop has done its job.
trap 'echo; echo "Stopped."; exit 0' INT TERM HUP

listening() {
    (: < "/dev/tcp/127.0.0.1/$1") 2> /dev/null
}

free_port() {
    local port
    for port in {8080..8179}; do
        listening "$port" || { echo "$port"; return; }
    done
    echo "No free port between 8080 and 8179; choose one: DEMO_PORT=9000 make demo" >&2
    return 1
}

program() {  # where a server lies that a plain user's PATH leaves out
    PATH=$PATH:/usr/sbin:/usr/local/sbin command -v "$1"
}

fill_in() {  # a configuration file, from its template
    sed -e "s|@USER@|$2|" -e "s|@BUILD@|$PWD/build|" -e "s|@HERE@|$PWD/$here|" -e "s|@DIR@|$dir|g" \
        -e "s|@DSN@|$dsn|" -e "s|@PORT@|$port|" "$here/$1" > "$dir/$1"
}

start() {  # a server, in the background; what it says until it is ready goes to the terminal
    local ready=$1 pid
    shift
    # However this script ends, the kernel stops the server with it.
    setpriv --pdeathsig TERM -- "$@" &
    pid=$!
    pids+=("$pid")
    until "$ready"; do
        if ! kill -0 "$pid" 2> /dev/null; then
            cat "$dir/error.log" >&2 2> /dev/null || true
            echo "$1 did not start" >&2
            exit 1
        fi
        sleep 0.1
    done
}

fpm_ready() { [ -S "$dir/php-fpm.sock" ]; }
nginx_ready() { grep -qs '^[0-9]' "$dir/nginx.pid" && listening "$port"; }

url_of() {  # percent-encodes a path, byte by byte
    local LC_ALL=C path=$1 out= char i
    for ((i = 0; i < ${#path}; i++)); do
        char=${path:i:1}
        case $char in
            [a-zA-Z0-9._~/-]) out+=$char ;;
            *) printf -v char '%%%02X' "'$char"; out+=%${char: -2} ;;
        esac
    done
    echo "$out"
}

figures() {  # one <figure> for every file below the root whose path matches the pattern
    local path url image
    while IFS= read -r path; do
        url=/$(url_of "$path")
        image=
        [ "$2" = refused ] || image="<img src=\"$url\" alt=\"${path##*/}\">"
        echo "<figure>$image<figcaption><a href=\"$url\">$path</a></figcaption></figure>"
    done < <(cd "$dir/root" && find var -type f -path "$1" | LC_ALL=C sort)
}

port=${DEMO_PORT:-$(free_port)}
dsn="sqlite:$dir/ezdfs.sqlite"
mkdir "$dir/root" "$dir/page" "$dir/tmp"
cp -R tests/fixtures/tree/. "$dir/root/"

echo "Registering the pictures in $dsn"
build/ezdfs --dsn "$dsn" --root "$dir/root" schema --create
build/ezdfs --dsn "$dsn" --root "$dir/root" import "$dir/root"

while IFS= read -r line; do
    case $line in
        '<!-- served -->') figures '*/images/*' served ;;
        '<!-- refused -->') figures '*/images-versioned/*' refused; figures '*/original/*' refused ;;
        *) printf '%s\n' "$line" ;;
    esac
done < "$here/page.html" > "$dir/page/index.html"

nginx_user= fpm_user=
if [ "$(id -u)" -eq 0 ]; then
    nginx_user='user root;'
    fpm_user='user = root'
fi
fill_in nginx.conf "$nginx_user"
fill_in php-fpm.conf "$fpm_user"

nginx=$(program nginx)
# Debian has the version in the program's name.
php_fpm=$(program "php-fpm$(php-config --version | cut -d. -f1,2)" || program php-fpm)
start fpm_ready "$php_fpm" --nodaemonize --allow-to-run-as-root --no-php-ini \
    --fpm-config "$dir/php-fpm.conf" -d "extension=$PWD/build/ezdfs.so"
start nginx_ready "$nginx" -p "$dir" -c "$dir/nginx.conf" -e stderr

echo
echo "    http://127.0.0.1:$port/"
echo
echo "nginx serves what the table knows. Its configuration: $dir/nginx.conf"
echo "Press Ctrl-C to stop it and remove $dir"
wait -n "${pids[@]}"
