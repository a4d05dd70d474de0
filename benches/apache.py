#!/usr/bin/env python3
"""Apache httpd with mod_ezdfs against its own static files: CPU for a request of a hot picture.

    benches/apache.py [--rounds 7] [--pictures 100,500,2000,10000] [--bytes 20000] [MODULE]

Each is an httpd with the MPM event and one child, over the same tree; the table is MariaDB's, memory
options are sized to the set. In turns; prints the ratio ezdfs/static of a request's CPU time and of the
requests in a second, medians over the rounds with their quartiles.
"""

import argparse
import contextlib
import pathlib
import statistics
import subprocess

from load import wrk
from processes import Daemon, accepts, cpu_seconds, free_port, program, scratch
from servers import AS_ROOT, BUILD, MariaDb
from writes import ratio

SECONDS = 2
WARM_UP = 6
PREFIX = "var/site/storage/images"
MODULES = pathlib.Path("/usr/lib/apache2/modules")

CONF = """
ServerRoot {dir}
ServerName localhost
DefaultRuntimeDir {dir}
PidFile {dir}/httpd.pid
ErrorLog {dir}/error.log
{user}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule mime_module {modules}/mod_mime.so
TypesConfig /dev/null
AddType image/jpeg .jpg
Listen 127.0.0.1:{port}
MaxKeepAliveRequests 0
KeepAliveTimeout 60
ThreadsPerChild 64
StartServers 1
MaxRequestWorkers 64
DocumentRoot {root}
<Directory {root}>
    Require all granted
    AllowOverride None
</Directory>
{more}
"""

EZDFS = """
LoadModule ezdfs_module {module}
<EzdfsStore main>
    dsn {dsn}
    root {root}
    cache_files 32768
    cache_content 512m
</EzdfsStore>
<LocationMatch "^/var/([^/]+/)?storage/images(-versioned)?/">
    Ezdfs main
</LocationMatch>
"""


class Apache:
    def __init__(self, directory, root, more=""):
        self.dir, self.port = directory, free_port()
        directory.mkdir(mode=0o755)
        user = "User nobody\nGroup nogroup" if AS_ROOT else ""
        text = CONF.format(dir=directory, user=user, modules=MODULES, port=self.port, root=root, more=more)
        (directory / "httpd.conf").write_text(text)
        command = [program("apache2"), "-d", directory, "-f", directory / "httpd.conf", "-D", "FOREGROUND"]
        log = directory / "error.log"
        ready = lambda: accepts(self.port) and log.exists() and "resuming normal operations" in log.read_text()
        self.daemon = Daemon("httpd", command, directory / "stderr.log", ready)

    @property
    def pids(self):
        return [self.daemon.pid]

    def stop(self):
        self.daemon.stop()


def make_site(directory, database, pictures, size):
    root = directory / "root"
    folder = root / PREFIX
    folder.mkdir(parents=True)
    for number in range(pictures):
        (folder / f"{number}.jpg").write_bytes(bytes([number % 251]) * size)
    for command in (["schema", "--create"], ["import", root, "--quiet"]):
        options = [f"--dsn={database}", f"--root={root}"]
        subprocess.run([BUILD / "ezdfs", *command, *options], check=True, stdout=subprocess.DEVNULL)
    requests = directory / "requests"
    requests.write_text("".join(f"/{PREFIX}/{number}.jpg\n" for number in range(pictures)))
    return root, requests


def one(server, requests):
    before = cpu_seconds(server.pids)
    seen = wrk(server.port, requests, once=False, seconds=SECONDS)
    return {"cpu": (cpu_seconds(server.pids) - before) / seen["requests"], "rate": seen["requests"] / SECONDS}


def compare(module, pictures, size, rounds, stack):
    directory = stack.enter_context(scratch())
    database = MariaDb(directory / "mariadb")
    stack.callback(database.stop)
    dsn = database.create("bench")
    root, requests = make_site(directory, dsn, pictures, size)
    static = Apache(directory / "static", root)
    stack.callback(static.stop)
    ours = Apache(directory / "ezdfs", root, EZDFS.format(module=module, dsn=dsn, root=root))
    stack.callback(ours.stop)
    results = {static: [], ours: []}
    for server in results:
        wrk(server.port, requests, once=False, seconds=WARM_UP)
    for number in range(rounds):
        order = list(results)
        for server in order if number % 2 else reversed(order):
            results[server].append(one(server, requests))
    cpu, rate = (ratio(results[ours], results[static], key) for key in ("cpu", "rate"))
    middle = statistics.median(each["cpu"] for each in results[static]) * 1e6
    print(f"{pictures} pictures: CPU {cpu} of {middle:.1f} us; requests {rate}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--pictures", default="100,500,2000,10000")
    parser.add_argument("--bytes", type=int, default=20_000)
    parser.add_argument("module", nargs="?", type=pathlib.Path, default=BUILD / "mod_ezdfs.so")
    options = parser.parse_args()
    for pictures in map(int, options.pictures.split(",")):
        with contextlib.ExitStack() as stack:
            compare(options.module.resolve(), pictures, options.bytes, options.rounds, stack)


if __name__ == "__main__":
    main()
