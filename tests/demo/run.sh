#!/bin/bash
# Shows the fixture pictures out of a private nginx: found through a SQLite table, read from a
# storage directory, no PHP on the way. Ctrl-C stops it. DEMO_PORT chooses the port.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/demo

tests/deps.sh demo
make --no-print-directory --silent build

dir=$(mktemp -d "${TMPDIR:-/tmp}/ezdfs-demo.XXXXXX")
nginx_pid=

cleanup() {
    trap '' INT TERM HUP
    if [ -n "$nginx_pid" ]; then
        kill -TERM "$nginx_pid" 2> /dev/null || true
        wait "$nginx_pid" 2> /dev/null || true
    fi
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

user=
[ "$(id -u)" -ne 0 ] || user='user root;'
sed -e "s|@USER@|$user|" -e "s|@BUILD@|$PWD/build|" -e "s|@DIR@|$dir|g" -e "s|@DSN@|$dsn|" \
    -e "s|@PORT@|$port|" "$here/nginx.conf" > "$dir/nginx.conf"

nginx=$(PATH=$PATH:/usr/sbin:/usr/local/sbin command -v nginx)
# However this script ends, the kernel stops nginx with it.
setpriv --pdeathsig TERM -- "$nginx" -p "$dir" -c "$dir/nginx.conf" -e stderr &
nginx_pid=$!
until grep -qs '^[0-9]' "$dir/nginx.pid" && listening "$port"; do
    if ! kill -0 "$nginx_pid" 2> /dev/null; then
        nginx_pid=
        cat "$dir/error.log" >&2 2> /dev/null || true
        echo "nginx did not start on 127.0.0.1:$port" >&2
        exit 1
    fi
    sleep 0.1
done

echo
echo "    http://127.0.0.1:$port/"
echo
echo "nginx serves what the table knows. Its configuration: $dir/nginx.conf"
echo "Press Ctrl-C to stop it and remove $dir"
wait "$nginx_pid"
