#!/usr/bin/env python3
"""Measures ezdfs against what it replaces, everything on this machine.

Starts its own servers on private directories and loopback ports; contestants
take turns in one run, figures are medians over the rounds. A whole run writes
docs/benchmarks.md; one limited by --only or --quick prints the same tables.

    make bench                                       everything, about a quarter of an hour
    benches/run.py --quick                           the targets, two minutes
    benches/run.py --only hot,latency --rounds 2     some of it

`latency` needs a pass-through file system: the tests' NFS client, or another
program that understands `--from DIR --at DIR --latency 500us`, see --mounter.
"""

import argparse
import contextlib
import json
import os
import shlex
import shutil
import signal
import sys
import time

import core
import load
import memory
import phpbench
import replica
import report
import tree
import ways_in
from contestants import Fleet
from processes import MOUNT, scratch
from servers import AS_ROOT, BUILD, TOP, MariaDb, Mounter

RESULTS = BUILD / "bench/results.json"
# Their targets are nearest to what one run differs from another by, and they take little time.
PHP_ROUNDS = 15
OTHERS = ["statements", "php", "php-latency", "first-use", "memory", "ways-in", "core"]
PARTS = [*load.LOADS, *OTHERS]
QUICK = ["hot", "hot-10000", "latency", "statements", "php", "first-use", "memory"]
LATENCY = "500us"
# Names and attributes are trusted for as long as Linux trusts those of a file that has just changed.
NFS_CLIENT = TOP / os.environ.get("CARGO_TARGET_DIR", "target") / "release/examples/nfs_client"
MOUNTER = f"{NFS_CLIENT} mount --attributes 3s"


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="PART,...", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help=f"two rounds of {', '.join(QUICK)}")
    parser.add_argument(
        "--rounds", type=int, help=f"of each part; default {PHP_ROUNDS} for php, 5 for hot, latency, first-use, 3 for the rest"
    )
    parser.add_argument("--seconds", type=int, default=2, help="of one measurement by wrk")
    parser.add_argument("--scan-files", type=int, default=100_000)
    parser.add_argument("--mounter", default=MOUNTER, metavar="COMMAND", help=f"default: {MOUNTER}")
    parser.add_argument("--report", action="store_true", help="write docs/benchmarks.md after a limited run, too")
    given = parser.parse_args()
    given.parts = given.only.split(",") if given.only else QUICK if given.quick else PARTS
    unknown = set(given.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}")
    given.whole = given.parts == PARTS
    if given.quick and not given.rounds:
        given.rounds = 2
    return given


def can_mount(given, part):
    if AS_ROOT and shutil.which(shlex.split(given.mounter)[0]):
        return True
    say(f"{part}: not measured, it takes root and {given.mounter}")
    return False


@contextlib.contextmanager
def slow_mount(given, source, directory):
    """A directory once more, on a file system that takes its time."""
    source.mkdir(exist_ok=True)
    mount = Mounter(given.mounter, source, directory / MOUNT, LATENCY, directory / "mounter.log")
    try:
        yield mount.at
    finally:
        mount.stop()


def serving(given, directory, root, database, agent, sets, stack):
    """The loads that go over HTTP. The slow mount has contestants of its own."""
    results = {}
    fleets = {}
    for key in (key for key in given.parts if key in load.LOADS):
        slow = load.LOADS[key].slow_mount
        if slow and not can_mount(given, key):
            continue
        if slow not in fleets:
            say("starting nginx, php-fpm, Varnish" + (" on a slow mount" if slow else ""))
            served = stack.enter_context(slow_mount(given, root, directory)) if slow else root
            fleets[slow] = Fleet(directory / ("on-slow" if slow else "on-disk"), served, database, agent, stack)
        rounds = given.rounds or (5 if key in ("hot", "latency") else 3)
        results[key] = load.measure(
            key, sets, fleets[slow], root, database, directory, rounds, given.seconds, say
        )
    return results


def measure(given, directory, stack):
    root = directory / "root"
    root.mkdir()
    sets = tree.file_sets(given.scan_files)
    wanted = {load.LOADS[key].files for key in given.parts if key in load.LOADS} | {"hot"}
    if "memory" in given.parts:
        wanted.add("scan")
    if "statements" in given.parts:
        wanted.add("small")
    say("starting MariaDB")
    database = MariaDb(directory / "mariadb")
    stack.callback(database.stop)
    say("writing files and rows")
    tree.make(root, [sets[key] for key in sorted(wanted)])
    tree.register(database.url, root)
    agent = replica.Agent(directory / "agent", database.url, root)
    stack.callback(agent.stop)
    results = {"versions": report.versions()}
    with contextlib.ExitStack() as servers:
        results["http"] = serving(given, directory, root, database, agent, sets, servers)
    rounds = given.rounds or 5
    if "statements" in given.parts:
        paths = sets["small"].paths
        results["statements"] = replica.measure(directory, root, database, agent, paths, given.rounds or 3, say)
    if "memory" in given.parts:
        results["memory"] = memory.measure(directory, root, database, sets["scan"].paths, say)
    if "php" in given.parts:
        say("PHP: loops")
        loops = given.rounds or PHP_ROUNDS
        results["php"], results["php-costs"] = phpbench.loops(directory / "php-loops", database, agent, loops)
    if "php-latency" in given.parts and can_mount(given, "php-latency"):
        say("PHP: loops on a slow mount")
        with slow_mount(given, directory / "php-slow", directory) as mounted:
            results["php-latency"], _ = phpbench.loops(
                mounted / "php", database, agent, given.rounds or 3, phpbench.ON_SLOW_MOUNT
            )
    if "first-use" in given.parts:
        results["first-use"] = phpbench.first_use(
            directory, database, agent, rounds, stack, say
        )
    if "ways-in" in given.parts:
        results["ways-in"] = ways_in.measure(directory, database.url, root, sets["hot"].paths[0], say)
    if "core" in given.parts:
        results["core"] = core.measure(say)
    return results


def main():
    given = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        results = measure(given, stack.enter_context(scratch()), stack)
    results["seconds"] = time.monotonic() - started
    if given.whole or given.report:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=1))
        report.write(results)
    print(report.text(results))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted")
