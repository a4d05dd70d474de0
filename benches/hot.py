#!/usr/bin/env python3
"""Two builds of the nginx module in turn: what a request for a hot picture costs.

    benches/hot.py [--rounds 15] [--pictures 100,1000] [--bytes 4096] NEW.so OLD.so

Each has an nginx of one worker over the same SQLite table and files. Prints the ratios new/old of a
request's CPU time, as the median over the rounds with its quartiles, the difference in nanoseconds,
and what does not depend on the machine's other work: the worker's own instructions for a request,
counted by valgrind as the difference of a long run and a short one.
"""

import argparse
import contextlib
import pathlib
import re
import signal
import statistics
import subprocess

import processes
from load import wrk
from processes import accepts, cpu_seconds, free_port, program, scratch
from servers import BUILD, NGINX

SECONDS = 2
WARM_UP = 6
# Of the runs under valgrind.
SHORT, LONG = 3_000, 9_000
PREFIX = "var/site/storage/images"


class Server:
    """nginx with one build of the module."""

    def __init__(self, directory, module, store):
        directory.mkdir()
        (directory / "tmp").mkdir()
        self.directory, self.port = directory, free_port()
        text = NGINX.format(
            modules=f"load_module {module.resolve()}; master_process off;", user="", dir=directory, port=self.port,
            descriptors=65536, http=store, server="location / { ezdfs main; }",
        )  # fmt: skip
        self.conf = directory / "nginx.conf"
        self.conf.write_text(text)

    @contextlib.contextmanager
    def running(self, *before):
        command = [*before, program("nginx"), "-p", self.directory, "-c", self.conf]
        log = self.directory / "out.log"
        daemon = processes.Daemon("nginx", command, log, lambda: accepts(self.port), stop=signal.SIGQUIT)
        try:
            yield daemon.pid
        finally:
            daemon.stop()


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


def nanoseconds(server, pid, requests):
    """Of CPU, for one request."""
    before = cpu_seconds([pid])
    seen = wrk(server.port, requests, once=False, seconds=SECONDS)
    return (cpu_seconds([pid]) - before) / seen["requests"] * 1e9


def compare_time(servers, requests, rounds):
    results = [[] for _ in servers]
    with contextlib.ExitStack() as stack:
        pids = [stack.enter_context(server.running()) for server in servers]
        for server in servers:
            wrk(server.port, requests, once=False, seconds=WARM_UP)
        for number in range(rounds):
            order = list(enumerate(servers))
            for index, server in order if number % 2 else reversed(order):
                results[index].append(nanoseconds(server, pids[index], requests))
    return results


def instructions(server, requests, directory):
    """The worker's own for one request."""

    def counted(number):
        paths = requests.read_text().splitlines()
        asked = directory / "asked"
        asked.write_text("".join(f"{paths[each % len(paths)]}\n" for each in range(number)))
        tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={directory}/callgrind.out"]
        with server.running(*tool):
            wrk(server.port, asked, once=True, seconds=600, connections=1)
        said = (server.directory / "out.log").read_text()
        found = re.findall(r"Collected : (\d+)", said)
        if not found:
            raise SystemExit(f"valgrind did not end as it should:\n{said[-4000:]}")
        return int(found[-1])

    return (counted(LONG) - counted(SHORT)) / (LONG - SHORT)


def quartiles(figures):
    low, middle, high = statistics.quantiles(figures, n=4)
    return middle, f"({low:,.3f} to {high:,.3f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--pictures", default="100,1000")
    parser.add_argument("--bytes", type=int, default=4096)
    parser.add_argument("builds", nargs=2, type=pathlib.Path, metavar="MODULE")
    options = parser.parse_args()
    for pictures in map(int, options.pictures.split(",")):
        with scratch() as directory:
            store, requests = make_site(directory, pictures, options.bytes)
            servers = [Server(directory / str(number), build, store) for number, build in enumerate(options.builds)]
            new, old = compare_time(servers, requests, options.rounds)
            ratio, around = quartiles([one / other for one, other in zip(new, old)])
            more = statistics.median(new) - statistics.median(old)
            print(f"{pictures} pictures: CPU {ratio:.3f} {around}, {more:+,.0f} ns of {statistics.median(old):,.0f}")
            counts = [instructions(server, requests, directory) for server in servers]
            print(f"{pictures} pictures: instructions {counts[0]:,.0f} and {counts[1]:,.0f}, {counts[0] - counts[1]:+,.0f}")


if __name__ == "__main__":
    main()
