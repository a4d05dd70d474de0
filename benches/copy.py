#!/usr/bin/env python3
"""`ezdfs copy` of a local tree into MariaDB and another tree, against `rsync -a` and one INSERT per 500 rows.

    benches/copy.py [--counts 10000,100000] [--size 20000] [--rounds 3] [--rows 1000000]

The contestants in turn, on one server and one file system, without fsync of files (`durability rename`),
which rsync does not do either. Prints medians, the ratios of rsync's time to ezdfs' with their quartiles,
and the peak memory; then that of a comparison (`copy --dry-run`) of so many rows.
"""

import argparse
import hashlib
import os
import pathlib
import shutil
import sqlite3
import statistics
import subprocess
import time

from processes import program, scratch
from servers import BUILD, MariaDb

ROWS_PER_INSERT = 500
COLUMNS = "name, name_trunk, name_hash, datatype, scope, size, mtime, expired"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=lambda text: [int(each) for each in text.split(",")], default=[10_000, 100_000])
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1_000_000)
    return parser.parse_args()


def name(number):
    digits = "/".join(reversed(f"{number:04}"[-4:]))
    return f"var/site/storage/images/{digits}/{number}-1-eng-GB/picture.jpg"


def make_tree(root, count, size):
    data = os.urandom(size + count)
    for number in range(count):
        path = root / name(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data[number : number + size])


def row(number, size, mtime):
    key = hashlib.md5(name(number).encode()).hexdigest()
    return (name(number), name(number), key, "image/jpeg", "image", size, mtime, 0)


def inserts(path, count, size):
    now = int(time.time())
    with open(path, "w") as file:
        for first in range(0, count, ROWS_PER_INSERT):
            rows = [row(number, size, now) for number in range(first, min(count, first + ROWS_PER_INSERT))]
            file.write(f"INSERT INTO ezdfsfile ({COLUMNS}) VALUES {', '.join(map(str, rows))};\n")


def timed(command, **options):
    """Seconds, and mebibytes at most."""
    start = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"{command[0]}: exit code {child.returncode}")
    return time.monotonic() - start, usage.ru_maxrss / 1024


def with_rsync(database, source, target, statements):
    seconds, _ = timed([program("rsync"), "-a", f"{source}/", f"{target}/"])
    with open(statements) as text:
        return seconds + timed(database.client(), stdin=text)[0], 0


def with_ezdfs(database, source, target, verify):
    options = ["--dsn", database.url, "--root", target, "--durability", "rename"]
    return timed([BUILD / "ezdfs", *options, "copy", source, "-", "--verify", verify])


def measure(database, directory, count, options):
    source, statements = directory / "source", directory / "rows.sql"
    make_tree(source, count, options.size)
    inserts(statements, count, options.size)
    contestants = {
        "rsync": lambda target: with_rsync(database, source, target, statements),
        "ezdfs, verify size": lambda target: with_ezdfs(database, source, target, "size"),
        "ezdfs, verify hash": lambda target: with_ezdfs(database, source, target, "hash"),
    }
    results = {contestant: [] for contestant in contestants}
    for _ in range(options.rounds):
        for contestant, run in contestants.items():
            target = directory / "target"
            target.mkdir()
            database.sql("TRUNCATE ezdfsfile")
            os.sync()
            results[contestant].append(run(target))
            shutil.rmtree(target)
    print(f"{count} files of {options.size} bytes, {options.rounds} rounds")
    for contestant, runs in results.items():
        seconds = statistics.median(seconds for seconds, _ in runs)
        ratios = sorted(base / run for (base, _), (run, _) in zip(results["rsync"], runs))
        memory = max(memory for _, memory in runs)
        print(
            f"  {contestant:<20} {seconds:7.2f} s   speed {statistics.median(ratios):.2f} "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f})   {memory:.0f} MiB"
        )
    shutil.rmtree(source)


def compare_many(directory, count):
    """Empty files: what counts are rows."""
    environment = {}
    for side in ["from", "to"]:
        (directory / side).mkdir()
        environment = {"EZDFS_DSN": f"sqlite:{directory}/{side}.db", "EZDFS_ROOT": str(directory / side)}
        subprocess.run([BUILD / "ezdfs", "schema", "--create"], env=environment, check=True, stdout=subprocess.DEVNULL)
    make_tree(directory / "from", count, 0)
    with sqlite3.connect(directory / "from.db") as connection:
        marks = ",".join("?" * 8)
        rows = (row(number, 0, 1_500_000_000) for number in range(count))
        connection.executemany(f"INSERT INTO ezdfsfile ({COLUMNS}) VALUES ({marks})", rows)
    source = ["--from-dsn", f"sqlite:{directory}/from.db", "--from-root", str(directory / "from")]
    seconds, memory = timed([BUILD / "ezdfs", "copy", "-", "-", "-n", *source], env=environment)
    print(f"{count} rows compared with none: {seconds:.1f} s, {memory:.0f} MiB")


def main():
    options = arguments()
    with scratch() as directory:
        database = MariaDb(directory / "mariadb")
        subprocess.run(
            [BUILD / "ezdfs", "--dsn", database.url, "--root", directory, "schema", "--create"],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        for count in options.counts:
            measure(database, pathlib.Path(directory), count, options)
        if options.rows:
            compare_many(pathlib.Path(directory), options.rows)


if __name__ == "__main__":
    main()
