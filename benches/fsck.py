#!/usr/bin/env python3
"""How long `ezdfs fsck` takes over a whole store, and its peak memory; of several builds in turn.

    benches/fsck.py [--count 300000] [--rounds 3] [build/ezdfs ...]

Makes a store on SQLite in a temporary folder: a file and a row each, in the directories of the
kernels. Prints the median time, the peak memory, and the ratio to the last build named.
"""

import argparse
import hashlib
import os
import sqlite3
import statistics
import subprocess
import tempfile
import time

CONTENT = b"\xff\xd8\xff\xe0 a picture"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("builds", nargs="*", default=["build/ezdfs"])
    parser.add_argument("--count", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def names(count):
    """As the kernels name the originals and variations of image fields."""
    for number in range(count):
        field = f"{number:06}"
        digits = "/".join(reversed(field[-4:]))
        yield f"images/{digits}/{field}-1-eng-GB/picture {number}.jpg"


def store(root, count):
    """Writes the files, gives their rows."""
    now = int(time.time())
    for name in names(count):
        path = f"{root}/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(CONTENT)
        key = hashlib.md5(name.encode()).hexdigest()
        yield (name, name, key, "image/jpeg", "image", len(CONTENT), now, 0)


def make(folder, count, build):
    root, database = f"{folder}/root", f"{folder}/db.sqlite"
    os.mkdir(root)
    environment = {"EZDFS_DSN": f"sqlite:{database}", "EZDFS_ROOT": root}
    subprocess.run([build, "schema", "--create"], env=environment, check=True, stdout=subprocess.DEVNULL)
    with sqlite3.connect(database) as connection:
        columns = "name, name_trunk, name_hash, datatype, scope, size, mtime, expired"
        insert = f"INSERT INTO ezdfsfile ({columns}) VALUES (?,?,?,?,?,?,?,?)"
        # One by one: a child's peak memory is no less than that of who starts it.
        connection.executemany(insert, store(root, count))
    return environment


def run(build, environment, folder):
    with open(f"{folder}/output", "wb") as output:
        start = time.monotonic()
        child = subprocess.Popen([build, "fsck", "--json", "--grace", "0s"], env=environment, stdout=output)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"{build}: exit code {child.returncode}: {open(output.name).read()[:500]}")
    return seconds, usage.ru_maxrss / 1024


def main():
    options = arguments()
    with tempfile.TemporaryDirectory() as folder:
        environment = make(folder, options.count, options.builds[0])
        results = {build: [] for build in options.builds}
        # In turn, so that what else the machine does meets all of them.
        for _ in range(options.rounds):
            for build in options.builds:
                results[build].append(run(build, environment, folder))
        base = statistics.median(seconds for seconds, _ in results[options.builds[-1]])
        for build, runs in results.items():
            median = statistics.median(seconds for seconds, _ in runs)
            peak = max(memory for _, memory in runs)
            print(f"{build}: {options.count} rows and files, {median:.2f} s, {peak:.0f} MB, "
                  f"{median / base:.2f} times the last")


if __name__ == "__main__":
    main()
