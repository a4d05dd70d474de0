#!/usr/bin/env python3
"""Two builds of the nginx module in turn: what a request for a hot picture costs.

    benches/hot.py [--rounds 15] [--pictures 100,1000] [--bytes 4096] NEW.so OLD.so

Each has an nginx of one worker over the same SQLite table and files. Prints the ratio new/old of a
request's CPU time, the median over the rounds with its quartiles, the difference in nanoseconds, and
what does not depend on the machine's other work: nginx's own instructions for a request, counted by
valgrind as the difference of a long run and a short one.
"""

import argparse
import contextlib
import pathlib
import re
import statistics
import subprocess

from load import wrk
from processes import cpu_seconds, scratch
from servers import BUILD, Nginx
from writes import ratio

SECONDS = 2
WARM_UP = 6
# Of the runs under valgrind.
SHORT, LONG = 3_000, 33_000
PREFIX = "var/site/storage/images"


def make_site(directory, pictures, size):
    root = directory / "root"
    folder = root / PREFIX
    folder.mkdir(parents=True)
    for number in range(pictures):
        (folder / f"{number}.jpg").write_bytes(bytes([number % 251]) * size)
    dsn = f"sqlite:{directory}/ezdfs.db"
    for command in (["schema", "--create"], ["import", root, "--quiet"]):
        options = [f"--dsn={dsn}", f"--root={root}"]
        subprocess.run([BUILD / "ezdfs", *command, *options], check=True, stdout=subprocess.DEVNULL)
    store = f"ezdfs_store main {{ dsn {dsn}; root {root}; cache_ttl 1h; cache_files 32768; cache_content 256m; }}"
    requests = directory / "requests"
    requests.write_text("".join(f"/{PREFIX}/{number}.jpg\n" for number in range(pictures)))
    return store, requests


def one(server, requests):
    """Seconds of CPU for one request."""
    before = cpu_seconds(server.pids)
    seen = wrk(server.port, requests, once=False, seconds=SECONDS)
    return {"cpu": (cpu_seconds(server.pids) - before) / seen["requests"]}


def measure(servers, requests, rounds):
    """Each server's figures in each round."""
    results = [[] for _ in servers]
    for server in servers:
        wrk(server.port, requests, once=False, seconds=WARM_UP)
    for number in range(rounds):
        order = list(enumerate(servers))
        for index, server in order if number % 2 else reversed(order):
            results[index].append(one(server, requests))
    return results


def instructions(server, requests):
    """Its own for one request; what it does once is in the long run and in the short one."""

    def counted(number):
        paths = requests.read_text().splitlines()
        asked = server.dir / "asked"
        asked.write_text("".join(f"{paths[each % len(paths)]}\n" for each in range(number)))
        log = server.dir / "error.log"
        log.write_text("")
        server.start()
        wrk(server.port, asked, once=True, seconds=600, connections=1)
        server.stop()
        # Of the master and of the worker.
        found = re.findall(r"Collected : (\d+)", log.read_text())
        if len(found) != 2:
            raise SystemExit(f"valgrind did not end as it should:\n{log.read_text()[-4000:]}")
        return sum(map(int, found))

    server.stop()
    server.before = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={server.dir}/callgrind.%p"]
    return (counted(LONG) - counted(SHORT)) / (LONG - SHORT)


def compare(builds, pictures, size, rounds, stack):
    directory = stack.enter_context(scratch())
    store, requests = make_site(directory, pictures, size)
    servers = []
    for number, build in enumerate(builds):
        place = directory / f"nginx-{number}"
        server = Nginx(place, "location / { ezdfs main; }", http=store, module=build.resolve())
        stack.callback(server.stop)
        servers.append(server)
    new, old = measure(servers, requests, rounds)
    middle = [statistics.median(each["cpu"] for each in figures) * 1e9 for figures in (new, old)]
    more = f"{middle[0] - middle[1]:+,.0f} ns of {middle[1]:,.0f}"
    print(f"{pictures} pictures: CPU {ratio(new, old, 'cpu')}, {more}")
    counts = [instructions(server, requests) for server in servers]
    print(f"{pictures} pictures: instructions {counts[0]:,.0f} and {counts[1]:,.0f}, {counts[0] - counts[1]:+,.0f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--pictures", default="100,1000")
    parser.add_argument("--bytes", type=int, default=4096)
    parser.add_argument("builds", nargs=2, type=pathlib.Path, metavar="MODULE")
    options = parser.parse_args()
    for pictures in map(int, options.pictures.split(",")):
        with contextlib.ExitStack() as stack:
            compare(options.builds, pictures, options.bytes, options.rounds, stack)


if __name__ == "__main__":
    main()
