#!/usr/bin/env python3
"""Two builds of the example `writes` in turn: creating, overwriting, renaming and deleting single files.

    benches/writes.py [--rounds 9] [--counts 200,2000] [--only sqlite,slow ...] NEW OLD

Each build has one process with one warm connection, a database and a tree of its own, on the same
servers. Prints the medians of the ratios new/old over the rounds, with their quartiles; what else
the machine does meets both. What is counted (statements, calls on the mount) does not depend on it.
`slow` is MariaDB with files on the tests' NFS client, where each call that a server would answer
takes half a millisecond.
"""

import argparse
import contextlib
import json
import pathlib
import socket
import statistics
import subprocess
import time

from processes import MOUNT, cpu_seconds, scratch
from run import LATENCY, MOUNTER
from servers import AS_ROOT, MariaDb, Mounter, Postgres

PLACES = ["sqlite", "mariadb", "postgres", "slow"]
# What is measured, what it does to which files, and how long nothing is written before: whoever
# overwrites within the second of the last write has to choose another time.
OPERATIONS = [
    ("create", "create", "a", 0),
    ("create, given mtime", "create-timed", "b", 0),
    ("overwrite", "create", "a", 1.1),
    ("overwrite, given mtime", "create-timed", "b", 0),
    ("overwrite at once", "create", "a", 0),
    ("rename", "rename", "a", 0),
    ("delete", "delete", "a-moved", 0),
    ("delete, given mtime", "delete", "b", 0),
]
COUNTED = ["statements", "calls"]


class Contestant:
    """One build at work in one place."""

    def __init__(self, build, dsn, root, durability, log):
        root.mkdir(parents=True)
        with open(log, "wb") as errors:
            self.process = subprocess.Popen(
                [build, dsn, root, durability],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, bufsize=1,
            )  # fmt: skip
        self.log = log

    def ask(self, operation, files, count):
        """Seconds and CPU seconds of one file each."""
        print(operation, files, count, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.process.args[0]}: {pathlib.Path(self.log).read_text()}")
        return [float(each) / count for each in answer.split()]

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


class Place:
    """Where both builds write: a database server, or none, and a folder."""

    def __init__(self, name, directory, server, stack):
        self.name = name
        self.server = server
        self.logs = directory
        self.folder = directory / f"{name}-files"
        self.folder.mkdir()
        self.control = None
        if name == "slow":
            mounted = directory / MOUNT
            self.control = self.folder / "control"
            mounter = f"{MOUNTER} --control {self.control}"
            source = self.folder / "source"
            source.mkdir()
            mount = Mounter(mounter, source, mounted, LATENCY, self.folder / "mount.log")
            stack.callback(mount.stop)
            self.folder = mounted

    def contestant(self, build, number, durability, stack):
        title = f"{self.name}_{number}"
        dsn = self.server.create(title) if self.server else f"sqlite:{self.folder}/{title}.db"
        made = Contestant(build, dsn, self.folder / title, durability, self.logs / f"{title}.log")
        stack.callback(made.stop)
        return made

    def counters(self):
        """Statements and calls on the mount so far, and CPU seconds of the server."""
        found = {"statements": self.server.statements() if self.server else None, "calls": None, "server": 0}
        if self.control:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(self.control))
                client.sendall(b'"Count"\n')
                found["calls"] = sum(json.loads(client.makefile().readline())["calls"].values())
        if self.server:
            found["server"] = cpu_seconds([self.server.pid])
        return found


def one(place, contestant, operation, files, count):
    """All figures of one operation, of one file each."""
    before = place.counters()
    seconds, cpu = contestant.ask(operation, files, count)
    after = place.counters()
    figures = {"seconds": seconds, "cpu": cpu}
    for key, value in before.items():
        figures[key] = None if value is None else (after[key] - value) / count
    if figures["statements"] is not None:
        figures["statements"] -= place.server.asking / count
    return figures


def measure(place, contestants, count, rounds):
    """For each operation, each contestant's figures in each round."""
    results = {title: [[] for _ in contestants] for title, *_ in OPERATIONS}
    for number in range(-1, rounds):
        for title, operation, files, pause in OPERATIONS:
            time.sleep(pause)
            order = list(enumerate(contestants))
            for index, contestant in order if number % 2 else reversed(order):
                figures = one(place, contestant, operation, files, count)
                # The round before the first one warms up.
                if number >= 0:
                    results[title][index].append(figures)
    return results


def ratio(new, old, key):
    """Of round after round: median and quartiles."""
    ratios = [one[key] / other[key] for one, other in zip(new, old)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:5.3f} ({low:.2f}-{high:.2f})"


def total(runs, key):
    return sum(each[key] for each in runs)


def table(title, results):
    print(f"\n{title}")
    heads = ["new µs", "old µs", "ratio of time", "ratio of CPU", "server's CPU", *COUNTED]
    line = f"{'':24}{heads[0]:>8}{heads[1]:>8}  {heads[2]:18}{heads[3]:18}{heads[4]:14}"
    print(line + "".join(f"{head:16}" for head in heads[5:]))
    for operation, (new, old) in results.items():
        times = [statistics.median(each["seconds"] for each in runs) * 1e6 for runs in (new, old)]
        line = f"{operation:24}{times[0]:8.0f}{times[1]:8.0f}  "
        line += f"{ratio(new, old, 'seconds'):18}{ratio(new, old, 'cpu'):18}"
        server = total(old, "server")
        line += f"{total(new, 'server') / server:<14.2f}" if server else f"{'-':14}"
        for key in COUNTED:
            if new[0][key] is None:
                line += f"{'-':16}"
            else:
                medians = [statistics.median(each[key] for each in runs) for runs in (new, old)]
                line += f"{medians[0]:.2f} / {medians[1]:.2f}".ljust(16)
        print(line, flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("builds", nargs=2, metavar="NEW OLD")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--counts", default="200,2000", help="files of a round; on the slow mount the first alone")
    parser.add_argument("--only", default=",".join(PLACES), help=f"of {', '.join(PLACES)}")
    parser.add_argument("--durability", default="rename", choices=["rename", "full"])
    given = parser.parse_args()
    given.counts = [int(count) for count in given.counts.split(",")]
    given.only = given.only.split(",")
    return given


def main():
    given = arguments()
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(scratch())
        servers = {"sqlite": None}
        if {"mariadb", "slow"} & set(given.only):
            servers["mariadb"] = servers["slow"] = MariaDb(directory / "mariadb-server")
            stack.callback(servers["mariadb"].stop)
        if "postgres" in given.only:
            servers["postgres"] = Postgres(directory / "postgres-server")
            stack.callback(servers["postgres"].stop)
        for name in given.only:
            if name == "slow" and not AS_ROOT:
                print("slow: not measured, only root may mount")
                continue
            place = Place(name, directory, servers[name], stack)
            with contextlib.ExitStack() as processes:
                contestants = [
                    place.contestant(build, number, given.durability, processes)
                    for number, build in enumerate(given.builds)
                ]
                for count in given.counts[:1] if name == "slow" else given.counts:
                    results = measure(place, contestants, count, given.rounds)
                    table(f"{name}, {count} files, {given.rounds} rounds, durability {given.durability}", results)


if __name__ == "__main__":
    main()
