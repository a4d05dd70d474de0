#!/usr/bin/env python3
"""Measures look-ups and listings on tables of many rows, SQLite and MariaDB.

    benches/scale.py 100000 1000000

A row takes about 1 KB of the temporary directory in MariaDB, 0.7 KB in SQLite,
one database after the other. MariaDB is given as much memory as its rows take:
what is measured is not the disk. Writes the last section of docs/benchmarks.md,
unless --print is given.
"""

import argparse
import contextlib
import hashlib
import json
import signal
import sqlite3
import subprocess
import sys
import time

import report
import tree
from plot import shown
from processes import most_resident, program, scratch
from servers import BUILD, PHP_FLAGS, PHP_SCRIPTS, MariaDb

CHUNK = 200_000
# What MariaDB's buffer pool needs for one row, and beside them.
ROW_BYTES, POOL_BYTES = 1300, 1 << 30
LISTING_LIMIT = 600
COLUMNS = "name, name_trunk, name_hash, datatype, scope, size, mtime, expired"
VALUES = "name, name, md5(name), 'image/jpeg', 'image', 20480, 1700000000, 0"
FIRST, ALL, PEAK = "list the first 100 of all", "list all, each row", "memory of that, MB"


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


class Sqlite:
    name = "SQLite"

    def __init__(self, directory, _rows):
        self.file = directory / "db.sqlite"
        self.url = f"sqlite:{self.file}"

    def insert(self, first, last):
        """Rows number `first` to `last`, as scale.php names them."""
        with contextlib.closing(sqlite3.connect(self.file)) as connection:
            connection.create_function("md5", 1, lambda text: hashlib.md5(text.encode()).hexdigest())
            connection.executescript("PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000")
            connection.execute(
                f"INSERT INTO ezdfsfile ({COLUMNS}) WITH RECURSIVE n(i) AS (SELECT ? UNION ALL SELECT i + 1 FROM n "
                "WHERE i < ?), named AS (SELECT 'var/site/storage/images/' || (i / 10000) || '/' || (i / 100 % 100) "
                f"|| '/' || i || '.jpg' AS name FROM n) SELECT {VALUES} FROM named",
                (first, last),
            )
            connection.commit()

    def stop(self):
        pass


class OnMariaDb:
    name = "MariaDB"

    def __init__(self, directory, rows):
        self.server = MariaDb(directory / "mariadb", buffer_pool=POOL_BYTES + ROW_BYTES * rows)
        self.url = self.server.url

    def insert(self, first, last):
        self.server.sql(
            f"INSERT INTO ezdfsfile ({COLUMNS}) SELECT {VALUES} FROM (SELECT CONCAT('var/site/storage/images/', "
            "seq DIV 10000, '/', seq DIV 100 % 100, '/', seq, '.jpg') AS name "
            f"FROM seq_{first}_to_{last}) named"
        )

    def stop(self):
        self.server.stop()


def listing(url, root, rows):
    """Microseconds for each row of a listing of all, and kB at most; None where it fails or takes too long."""
    command = [BUILD / "ezdfs", "--dsn", url, "--root", root, "--name-prefix", "var/site/storage", "ls"]
    start = time.monotonic()
    peak = 0
    with open(root.parent / "listed", "wb") as output:
        process = subprocess.Popen(command, stdout=output)
    try:
        while process.poll() is None:
            # Not what wait4 tells: that begins with the memory of the process that starts it.
            peak = most_resident(process.pid) or peak
            if time.monotonic() - start > LISTING_LIMIT:
                return None, None
            time.sleep(0.005)
    finally:
        process.kill()
        process.wait()
    seconds = time.monotonic() - start
    if process.returncode != 0:
        return None, None
    with open(root.parent / "listed", "rb") as output:
        lines = sum(1 for _ in output)
    if lines != rows:
        raise SystemExit(f"ezdfs ls printed {lines} of {rows} rows")
    return seconds * 1e6 / rows, peak


def measure(database, root, rows):
    command = [program("php"), *PHP_FLAGS, PHP_SCRIPTS / "scale.php", rows]
    env = {"PATH": "/usr/bin:/bin", "BENCH_DSN": database.url, "BENCH_ROOT": str(root)}
    run = subprocess.run(list(map(str, command)), env=env, stdout=subprocess.PIPE, check=True)
    figures = json.loads(run.stdout)
    each, peak = listing(database.url, root, rows)
    return figures | {ALL: each, PEAK: peak}


def grow(database, done, rows):
    """From so many rows to so many."""
    for first in range(done, rows, CHUNK):
        database.insert(first, min(first + CHUNK, rows) - 1)


def tables(kinds, sizes):
    """Each database with more and more rows."""
    for kind in kinds:
        with contextlib.ExitStack() as stack:
            directory = stack.enter_context(scratch())
            root = directory / "root"
            root.mkdir()
            database = kind(directory, max(sizes))
            stack.callback(database.stop)
            tree.ezdfs(database.url, root, "schema", "--create")
            done = 0
            for rows in sizes:
                say(f"{kind.name}: {rows:,} rows")
                grow(database, done, rows)
                done = rows
                yield {"database": kind.name, "rows": rows, **measure(database, root, rows)}


def cell(value):
    return f"failed, or not within {LISTING_LIMIT} s" if value is None else shown(value)


def text(results):
    operations = [key for key in results["tables"][0] if key not in ("database", "rows", PEAK)]
    rows = [
        (
            each["database"],
            f"{each['rows']:,}",
            *(cell(each[operation]) for operation in operations),
            cell(each[PEAK] and each[PEAK] / 1024),
        )
        for each in results["tables"]
    ]
    head = ["µs, no cache", "rows", *operations, PEAK]
    yield from report.table(head, rows, len(head) - 1)
    yield "\nMeasured with\n"
    yield from report.table(["", ""], results["versions"].items(), 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", type=int, nargs="+", metavar="ROWS")
    parser.add_argument("--only", choices=[Sqlite.name, OnMariaDb.name])
    parser.add_argument("--print", action="store_true", help="leave docs/benchmarks.md alone")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    kinds = [kind for kind in (Sqlite, OnMariaDb) if given.only in (None, kind.name)]
    results = {"versions": report.versions(), "tables": list(tables(kinds, sorted(given.sizes)))}
    content = "\n".join(text(results)) + "\n"
    if not given.print:
        report.fill_in("scale", content)
    print(content)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted")
