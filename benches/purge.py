#!/usr/bin/env python3
"""Measures how long Varnish has an old file: from a change in the table to the answer with the new one.

    benches/purge.py [--changes 300] [--poll-interval 100ms] [--rate 0]

MariaDB, an agent, nginx with its replica, and Varnish before that. The time begins when the statement is sent,
and ends when Varnish has given the new version; it is asked again and again meanwhile, over one connection.
`--rate` writes so many other rows a second besides.
"""

import argparse
import contextlib
import hashlib
import http.client
import os
import pathlib
import statistics
import subprocess
import threading
import time

from processes import Daemon, accepts, free_port, program, scratch
from servers import BUILD, MODULE, TOP, MariaDb, Nginx

PATH = "images/a.png"
OTHERS = 1000
LIMIT = 30

VCL = """
vcl 4.1;
import std;
backend nginx {{ .host = "127.0.0.1"; .port = "{port}"; }}
acl ezdfs_purgers {{ "127.0.0.1"; }}
sub ezdfs_token {{ set req.http.x-ezdfs-token = "none"; }}
include "ezdfs.vcl";
"""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--changes", type=int, default=300)
    parser.add_argument("--poll-interval", default="100ms")
    parser.add_argument("--rate", type=int, default=0, help="other rows that are written meanwhile, a second")
    return parser.parse_args()


def key(name):
    return hashlib.md5(name.encode()).hexdigest()


def insert(names):
    rows = ", ".join(f"('{name}', '{name}', '{key(name)}', 'image/png', 'image', 1, 1)" for name in names)
    return f"INSERT INTO ezdfsfile (name, name_trunk, name_hash, datatype, scope, size, mtime) VALUES {rows}"


def fill(database, root, environment):
    (root / "images").mkdir(parents=True)
    (root / PATH).write_bytes(b"a")
    for flag in "--create", "--create-feed":
        command = [BUILD / "ezdfs", "schema", flag]
        subprocess.run(command, env={**os.environ, **environment}, check=True, stdout=subprocess.DEVNULL)
    database.sql(insert([PATH, *(f"images/{number}.png" for number in range(OTHERS))]))


def start_agent(directory, environment, cache, interval):
    command = [BUILD / "ezdfs", "agent", "--poll-interval", interval]
    command += ["--purge", f"http://127.0.0.1:{cache}", "--purge-host", "localhost"]

    def is_usable():
        status = [BUILD / "ezdfs", "replica", "status"]
        return subprocess.run(status, env={**os.environ, **environment}, capture_output=True).returncode == 0

    return Daemon("an agent", command, directory / "agent.log", is_usable, env={**os.environ, **environment})


def start_varnish(directory, port, behind):
    vcl = directory / "default.vcl"
    vcl.write_text(VCL.format(port=behind))
    command = [program("varnishd"), "-F", "-j", "none", "-n", directory / "varnish", "-f", vcl, "-t", "86400"]
    command += ["-a", f"127.0.0.1:{port}", "-s", "malloc,64m", "-p", f"vcl_path={TOP / 'contrib/varnish'}"]
    return Daemon("varnishd", command, directory / "varnish.log", lambda: accepts(port))


class Writer:
    """One client of the database, which stays connected."""

    def __init__(self, database):
        command = [*database.client(), "--unbuffered"]
        self.client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, statement):
        self.client.stdin.write(statement + "; SELECT 'done';\n")
        self.client.stdin.flush()
        self.client.stdout.readline()

    def stop(self):
        self.client.stdin.close()
        self.client.wait()


def write_others(database, rate, is_over):
    write, number = Writer(database), 0
    while not is_over.wait(1 / rate):
        write(f"UPDATE ezdfsfile SET mtime = mtime + 1 WHERE name_hash = '{key(f'images/{number % OTHERS}.png')}'")
        number += 1
    write.stop()


def ask(connection):
    connection.request("GET", f"/{PATH}", headers={"Host": "localhost"})
    answer = connection.getresponse()
    answer.read()
    return answer.getheader("ETag")


def changes(database, port, count):
    """Seconds from each change to the first answer with it, and until its statement had been carried out."""
    connection, write = http.client.HTTPConnection("127.0.0.1", port), Writer(database)
    seconds, written = [], []
    for number in range(count):
        before = ask(connection)
        start = time.monotonic()
        write(f"UPDATE ezdfsfile SET mtime = mtime + 1 WHERE name_hash = '{key(PATH)}'")
        written.append(time.monotonic() - start)
        while ask(connection) == before:
            if time.monotonic() - start > LIMIT:
                raise SystemExit(f"change {number} is not seen after {LIMIT} s")
        seconds.append(time.monotonic() - start)
        # At another moment of the agent's turn each time.
        time.sleep(0.05 + number % 37 * 0.003)
    write.stop()
    return sorted(seconds), sorted(written)


def main():
    options = arguments()
    with scratch() as directory, contextlib.ExitStack() as running:
        directory = pathlib.Path(directory)
        root, replica = directory / "root", directory / "replica"
        database = MariaDb(directory / "mariadb")
        running.callback(database.stop)
        environment = {"EZDFS_DSN": database.url, "EZDFS_ROOT": str(root), "EZDFS_REPLICA": str(replica)}
        fill(database, root, environment)
        port = free_port()
        running.enter_context(start_agent(directory, environment, port, options.poll_interval))
        store = f"ezdfs_store main {{ dsn {database.url}; root {root}; replica {replica}; }}"
        nginx = Nginx(directory / "nginx", "location / { ezdfs main; }", http=store, module=MODULE)
        running.callback(nginx.stop)
        running.enter_context(start_varnish(directory, port, nginx.port))
        # What it was told at first is told again after that.
        time.sleep(8)
        is_over = threading.Event()
        if options.rate:
            others = threading.Thread(target=write_others, args=(database, options.rate, is_over))
            others.start()
            running.callback(others.join)
            running.callback(is_over.set)
        seconds, written = changes(database, port, options.changes)
        at = lambda part: seconds[min(len(seconds) - 1, int(part * len(seconds)))] * 1000  # noqa: E731
        print(
            f"{len(seconds)} changes, a poll each {options.poll_interval}, {options.rate} others a second: "
            f"median {at(0.5):.0f} ms, p90 {at(0.9):.0f} ms, p99 {at(0.99):.0f} ms, at most {at(1):.0f} ms; "
            f"of that the statement {statistics.median(written) * 1000:.1f} ms"
        )


if __name__ == "__main__":
    main()
