#!/usr/bin/env python3
"""What agents cost a MariaDB: the server's time for each poll, alone and while rows are written.

    benches/polls.py [--agents 1 5 20] [--seconds 10] [--writes 50]

Few agents stand for many nodes: they ask every 10 ms, where a node asks every 100 ms.
"""

import argparse
import contextlib
import os
import subprocess
import threading
import time

from processes import Daemon, cpu_seconds, scratch
from servers import BUILD, MariaDb

POLL = 0.010
NODE = 0.100


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--agents", type=int, nargs="+", default=[1, 5, 20])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--writes", type=int, default=50, help="rows a second, in the second part")
    return parser.parse_args()


def agent(directory, dsn, number):
    environment = {"EZDFS_DSN": dsn, "EZDFS_ROOT": str(directory), "EZDFS_REPLICA": f"{directory}/replica{number}"}
    command = [BUILD / "ezdfs", "agent", "--poll-interval", f"{int(POLL * 1000)}ms", "--compare-rate", "0"]
    status = [BUILD / "ezdfs", "replica", "status"]

    def is_usable():
        asked = subprocess.run(status, env={**os.environ, **environment}, capture_output=True)
        return asked.returncode == 0

    return Daemon("an agent", command, directory / f"agent{number}.log", is_usable, env=environment)


class Writer(threading.Thread):
    """Overwrites rows at an even rate, by one client."""

    def __init__(self, database, rate):
        super().__init__()
        self.client = subprocess.Popen(database.client(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        self.rate, self.is_wanted = rate, True

    def run(self):
        while self.is_wanted:
            self.client.stdin.write("UPDATE ezdfsfile SET mtime = mtime + 1 WHERE name_hash = MD5('images/a');\n")
            self.client.stdin.flush()
            time.sleep(1 / self.rate)

    def stop(self):
        self.is_wanted = False
        self.join()
        self.client.stdin.close()
        self.client.wait()


def measure(database, agents, seconds):
    """Microseconds of the server and of the agents for each statement, and statements a second."""
    pids = [agent.pid for agent in agents]
    statements, server, own = database.statements(), cpu_seconds([database.pid]), cpu_seconds(pids)
    time.sleep(seconds)
    server, own = cpu_seconds([database.pid]) - server, cpu_seconds(pids) - own
    statements = database.statements() - statements - database.asking
    return server / statements * 1e6, own / statements * 1e6, statements / seconds


def fill(database, directory):
    environment = {**os.environ, "EZDFS_DSN": database.url, "EZDFS_ROOT": str(directory)}
    for flag in "--create", "--create-feed":
        command = [BUILD / "ezdfs", "schema", flag]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    database.sql(
        "INSERT INTO ezdfsfile (name, name_trunk, name_hash, datatype, scope, size, mtime) "
        "VALUES ('images/a', 'images/a', MD5('images/a'), 'image/png', 'image', 1, 1)"
    )


def main():
    options = arguments()
    with scratch() as directory, contextlib.ExitStack() as running:
        database = MariaDb(directory / "mariadb")
        running.callback(database.stop)
        fill(database, directory)
        agents = []
        for count in sorted(options.agents):
            while len(agents) < count:
                agents.append(running.enter_context(agent(directory, database.url, len(agents))))
            report("quiet", count, measure(database, agents, options.seconds))
            writer = Writer(database, options.writes)
            writer.start()
            report(f"{options.writes} writes/s", count, measure(database, agents, options.seconds))
            writer.stop()


def report(what, count, measured):
    server, own, rate = measured
    print(f"{count} agents, {what}: {rate:.0f} statements/s, each {server:.0f} us of the server and {own:.0f} us of the "
          f"agent; 100 nodes: {server * 100 / NODE / 1e4:.1f} % of a core", flush=True)


if __name__ == "__main__":
    main()
