#!/bin/bash
# Installs, upgrades and purges the packages on a bare system, as an operator does, and looks whether they do what
# they are for, and what they leave.
#
#     tests/deb/node.sh PACKAGES NEWER-PACKAGES
set -euo pipefail
cd "$(dirname "$0")/../.."
first=$1 next=$2
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
picture=$(cd tests/fixtures/tree && find var/site/storage/images -name '*.jpg' | LC_ALL=C sort | head -n 1)
site=/srv/site
tree=$PWD/tests/fixtures/tree
options=/etc/ezdfs/ezdfs.toml

fail() {
    echo "$*" >&2
    exit 1
}

install() {
    apt-get install --quiet=2 --yes --no-install-recommends "$@" \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold < /dev/null
}

as_www_data() {
    setpriv --reuid www-data --regid www-data --init-groups -- "$@"
}

installed() {  # version of a package
    dpkg-query --show --showformat '${Version}' "$1"
}

# Whatever packages may have put somewhere. Older states of the accounts and what PHP remembers of any extension are
# kept by the packages of those.
everything() {
    find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /root -o -path /srv \
        -o -path /var/cache -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/lib/php/modules -o -path /var/log \
        -o -path '/etc/*-' \) -prune -o -print | LC_ALL=C sort
}

# nginx has a network of its own, and so all ports that Debian's configuration wants; it is asked by a socket.
nginx=
stop_nginx() {
    [ -n "$nginx" ] || return 0
    kill "$nginx"
    wait "$nginx"
    nginx=
}
trap stop_nginx EXIT

serves() {  # whether nginx, as Debian configures it, has the picture by the module
    nginx -t
    unshare --net nginx -g 'daemon off;' &
    nginx=$!
    until grep -qs . /run/nginx.pid; do
        kill -0 "$nginx" || fail "nginx did not start."
        sleep 0.1
    done
    curl --fail --no-progress-meter --unix-socket /run/site.sock "http://site/$picture" | cmp - "$tree/$picture"
    stop_nginx
}

serves_by_httpd() {  # the same of Apache, in a network with a loopback of its own
    apache2ctl configtest
    unshare --net -- bash -euc '
        ip link set lo up
        . /etc/apache2/envvars
        mkdir -p "$APACHE_RUN_DIR" "$APACHE_LOCK_DIR" "$APACHE_LOG_DIR"
        apache2 -D FOREGROUND &
        httpd=$!
        until curl --silent --output /dev/null http://127.0.0.1/; do
            kill -0 "$httpd"
            sleep 0.1
        done
        curl --fail --no-progress-meter --output /tmp/by-httpd "http://127.0.0.1/$1"
        kill "$httpd"
        wait "$httpd"' -- "$picture" || fail "Apache does not serve it."
    cmp /tmp/by-httpd "$tree/$picture"
    rm /tmp/by-httpd
}

reads() {  # whether PHP has it by the extension
    # shellcheck disable=SC2016  # It is PHP's.
    as_www_data php -r '
        $store = new Ezdfs\Store(["dsn" => "sqlite:/srv/site/ezdfs.sqlite", "root" => "/srv/site/root"]);
        echo stream_get_contents($store->open($argv[1]));' "$picture" | cmp - "$tree/$picture"
}

compiles() {  # whether a program of C finds header and library, and those are of one version
    # shellcheck disable=SC2046  # Words.
    cc -x c - -o /tmp/version $(pkg-config --cflags --libs ezdfs) << 'END'
#include <ezdfs.h>
int main(void) {
    return ezdfs_version_number() != EZDFS_VERSION_MAJOR * 1000000 + EZDFS_VERSION_MINOR * 1000 + EZDFS_VERSION_PATCH;
}
END
    /tmp/version || fail "libezdfs is of another version than its header."
    rm /tmp/version
}

works() {
    serves
    serves_by_httpd
    reads
    compiles
    as_www_data ezdfs stat "$picture" > /dev/null
    [ "$(stat -c '%a %U:%G' "$options")" = '640 root:www-data' ] || fail "$(stat "$options")"
}

apt-get update --quiet=2
# What a node of a site has, and who compiles on one.
install apache2 curl gcc iproute2 libc6-dev libssl-dev nginx php-cli pkg-config systemd
php=php$(php -r 'echo PHP_MAJOR_VERSION, ".", PHP_MINOR_VERSION;')
# It makes directories when it first runs.
nginx -t
everything > /tmp/before

install "$first"/{ezdfs,libezdfs0,libezdfs-dev,libnginx-mod-http-ezdfs,libapache2-mod-ezdfs,"$php-ezdfs"}_*.deb
was=$(installed ezdfs)
getent passwd ezdfs || fail "There is no user ezdfs."
[ -L /etc/nginx/modules-enabled/50-mod-http-ezdfs.conf ] || fail "The module of nginx is not enabled."
[ -L /etc/apache2/mods-enabled/ezdfs.load ] || fail "The module of Apache is not enabled."
[ -e "/etc/php/${php#php}/cli/conf.d/20-ezdfs.ini" ] || fail "The extension of PHP is not enabled."
for file in /lib/systemd/system/ezdfs-{agent@.service,fsck@.timer,purge@.timer} \
    /usr/share/bash-completion/completions/ezdfs /usr/share/zsh/vendor-completions/_ezdfs \
    /usr/share/fish/vendor_completions.d/ezdfs.fish; do
    [ -s "$file" ] || fail "There is no $file."
done

# Programs that they name have to be there.
for unit in ezdfs-{agent@.service,fsck@.service,fsck@.timer,purge@.service,purge@.timer}; do
    systemd-analyze verify --man=no "${unit/@/@srv-site}" || fail "$unit is not as systemd wants it."
done

# An operator sets up a site. What lies below /srv outlives the packages.
cat >> "$options" << END
dsn = "sqlite:$site/ezdfs.sqlite"
root = "$site/root"
END
cp -p "$options" /tmp/options
mkdir -p $site/root
cp -R "$tree/." $site/root
chown -R www-data: $site
as_www_data ezdfs schema --create
as_www_data ezdfs import $site/root/var
cat > /etc/nginx/conf.d/site.conf << END
ezdfs_store main { dsn sqlite:$site/ezdfs.sqlite;  root $site/root; }
server {
    listen unix:/run/site.sock;
    location ~ ^/var/([^/]+/)?storage/images/ { ezdfs main; }
}
END
cat > /etc/apache2/conf-enabled/site.conf << END
<EzdfsStore main>
    dsn  sqlite:$site/ezdfs.sqlite
    root $site/root
</EzdfsStore>
<LocationMatch "^/var/([^/]+/)?storage/images/">
    Ezdfs main
</LocationMatch>
END
works
echo "$was: installed, nginx and Apache serve a picture, PHP reads it, C compiles."

phpdismod ezdfs
! php -m | grep -q ezdfs || fail "phpdismod ezdfs did nothing."
phpenmod ezdfs
php -m | grep -q ezdfs || fail "phpenmod ezdfs did nothing."

install "$next"/{ezdfs,libezdfs0,libezdfs-dev,libnginx-mod-http-ezdfs,libapache2-mod-ezdfs,"$php-ezdfs"}_*.deb
is=$(installed ezdfs)
dpkg --compare-versions "$is" gt "$was" || fail "$was became $is."
cmp $options /tmp/options
works
echo "$is: upgraded, $options is as it was, all of that works still."

# As much as units would leave.
mkdir -p /var/lib/ezdfs/srv-site
as_www_data ezdfs purge --state /tmp/purge.state
mv /tmp/purge.state /var/lib/ezdfs/srv-site
rm /etc/nginx/conf.d/site.conf /etc/apache2/conf-enabled/site.conf
apt-get purge --quiet=2 --yes ezdfs libezdfs0 libezdfs-dev libnginx-mod-http-ezdfs libapache2-mod-ezdfs "$php-ezdfs"
apt-get autoremove --purge --quiet=2 --yes
nginx -t
php -m > /tmp/modules
! grep -q ezdfs /tmp/modules || fail "PHP has the extension still."
everything > /tmp/after
diff /tmp/before /tmp/after || fail "Something was left."
cmp $site/root/"$picture" "$tree/$picture"
echo "Purged: nothing is left but the user ezdfs, and the site's own files."
