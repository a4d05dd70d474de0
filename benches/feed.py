#!/usr/bin/env python3
"""Measures what a change log and its agent cost, on tables of many rows; MariaDB.

    benches/feed.py 100000 1000000
    benches/feed.py --only agent 10000000            takes 14 GB of memory, and of the temporary directory

For each size: how long the agent takes until its replica is complete, its own
memory at most, bytes of the replica, look-ups of one PHP process and its own
memory; and how much longer a kernel's create takes where a change log is kept,
in turns with a table that has none.
"""

import argparse
import contextlib
import json
import pathlib
import signal
import statistics
import subprocess
import sys
import time

import report
import tree
from plot import shown
from processes import memory, program, scratch
from replica import Agent
from scale import OnMariaDb, grow, say
from servers import PHP_FLAGS, PHP_SCRIPTS

MB = 1 << 20
LIMIT = 600
BESIDE = "without"


def php(script, *arguments, **env):
    command = [program("php"), *PHP_FLAGS, PHP_SCRIPTS / script, *arguments]
    env = {"PATH": "/usr/bin:/bin", **{key: str(value) for key, value in env.items()}}
    return json.loads(subprocess.run(list(map(str, command)), env=env, stdout=subprocess.PIPE, check=True).stdout)


def scan(directory, database, root):
    """An agent that has read the table, after how many seconds, with how much memory of its own at most."""
    start = time.monotonic()
    agent = Agent(directory, database.url, root, waits=False)
    peak = 0
    while not agent.is_complete():
        if time.monotonic() - start > LIMIT:
            raise SystemExit((directory / "log").read_text())
        peak = max(peak, memory(agent.pid)[1])
        time.sleep(0.1)
    return agent, time.monotonic() - start, peak


def of_agent(directory, database, root, rows):
    agent, seconds, peak = scan(directory, database, root)
    try:
        reader = php("replica.php", rows, BENCH_DSN=database.url, BENCH_ROOT=root, BENCH_REPLICA=agent.replica)
        data = sum(file.stat().st_blocks * 512 for file in agent.replica.glob("*/data.mdb"))
    finally:
        agent.stop()
    return {
        "seconds": seconds, "agent": peak, "bytes": data / rows,
        "load": reader["load"], "reader": reader["own"],
    }  # fmt: skip


def of_triggers(database, root, first):
    """What a create takes with a change log and without one, round by round."""
    tree.ezdfs(database.url, root, "schema", "--create-feed")
    without = database.server.create(BESIDE)
    tree.ezdfs(without, root, "schema", "--create")
    # As many rows beside it: what a row costs grows with the table.
    database.server.sql(f"INSERT INTO `{BESIDE}`.ezdfsfile SELECT * FROM ezdfs.ezdfsfile")
    env = {"BENCH_PDO": database.server.env["BENCH_PDO"], "BENCH_BESIDE": BESIDE, "BENCH_DATABASE": database.server.pid}
    rounds = php("triggers.php", first, **env)
    database.server.sql(f"DROP DATABASE `{BESIDE}`")
    tree.ezdfs(database.url, root, "schema", "--drop-feed")
    return rounds


def measure(sizes, parts, directory, stack):
    root = directory / "root"
    root.mkdir()
    # An empty root under a table with rows looks like a share that is not mounted.
    (root / "there").touch()
    database = OnMariaDb(directory, len(parts) * max(sizes))
    stack.callback(database.stop)
    tree.ezdfs(database.url, root, "schema", "--create")
    done = 0
    for rows in sizes:
        say(f"{rows:,} rows")
        grow(database, done, rows)
        done = rows
        figures = {"rows": rows}
        if "agent" in parts:
            say("the agent reads the table")
            figures |= of_agent(directory / f"agent-{rows}", database, root, rows)
            tree.ezdfs(database.url, root, "schema", "--drop-feed")
        if "triggers" in parts:
            say("creates, with and without a change log")
            figures["triggers"] = of_triggers(database, root, rows)
        yield figures


def ratio(rounds, key):
    """Of with to without: median and quartiles of the rounds."""
    ratios = [each["with"][key] / each["without"][key] for each in rounds]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:.3f} ({low:.3f}-{high:.3f})"


def triggers_table(results):
    rows = []
    for each in results:
        for operation, rounds in each["triggers"].items():
            micro = [shown(statistics.median(it[who]["us"] for it in rounds)) for who in ("without", "with")]
            rows.append((operation, f"{each['rows']:,}", *micro, ratio(rounds, "us"), ratio(rounds, "cpu")))
    head = ["statement of a kernel's", "rows", "µs", "with a change log", "ratio", "ratio of the database's CPU time"]
    return report.table(head, rows, len(head) - 1)


def agent_table(results):
    head = ["rows", "complete after s", "rows a second", "agent's own MB at most", "bytes a row",
            "PHP `load()` µs", "PHP's own MB"]  # fmt: skip
    rows = [
        (
            f"{each['rows']:,}", shown(each["seconds"]), shown(each["rows"] / each["seconds"]),
            shown(each["agent"] / MB), shown(each["bytes"]), shown(each["load"]), shown(each["reader"] / MB),
        )
        for each in results
    ]  # fmt: skip
    return report.table(head, rows, len(head))


TABLES = {"agent": agent_table, "triggers": triggers_table}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", type=int, nargs="+", metavar="ROWS")
    parser.add_argument("--only", choices=TABLES)
    given = parser.parse_args()
    parts = [given.only] if given.only else list(TABLES)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(stack.enter_context(scratch()))
        results = list(measure(sorted(given.sizes), parts, directory, stack))
    for part in parts:
        print("\n".join(TABLES[part](results)), end="\n\n")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted")
