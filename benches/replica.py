"""The replica: its agent, and what it leaves for the database to answer."""

import statistics
import subprocess
import time

import load
from processes import Daemon
from servers import BUILD, MODULE, Nginx

REQUESTS = 100_000
PICTURES = 10_000
WITH, WITHOUT = "ezdfs with a replica", "ezdfs"


class Agent:
    """`ezdfs agent` of a table that has a change log; ready when its replica can be used."""

    def __init__(self, directory, url, root, waits=True):
        directory.mkdir()
        self.replica = directory / "replica"
        self.command = [BUILD / "ezdfs", "--dsn", url, "--root", root, "--replica", self.replica]
        subprocess.run([*self.command, "schema", "--create-feed"], check=True, stdout=subprocess.DEVNULL)
        self.daemon = Daemon("ezdfs agent", [*self.command, "agent"], directory / "log", self.is_complete if waits else lambda: True)
        self.pid = self.daemon.pid

    def is_complete(self):
        return subprocess.run([*self.command, "replica", "status"], capture_output=True).returncode == 0

    def stop(self):
        self.daemon.stop()


def statements(nginx, database, requests):
    """Statements while all requests are answered, and while as much time passes without any."""

    def counted(work):
        before = database.statements()
        work()
        return database.statements() - before - database.asking

    # Neither a row nor a file is known at first.
    nginx.forget()
    start = time.monotonic()
    busy = counted(lambda: load.wrk(nginx.port, requests, once=True, seconds=600))
    elapsed = time.monotonic() - start
    return busy, counted(lambda: time.sleep(elapsed))


def measure(directory, root, database, agent, paths, rounds, say):
    """Statements for as many requests, of all and of the agent alone."""
    paths = paths[:PICTURES]
    requests = directory / "statements.list"
    requests.write_text("".join(f"/{path}\n" for path in paths) * (REQUESTS // len(paths)))
    results = {}
    for number, (name, options) in enumerate({WITHOUT: "", WITH: f"replica {agent.replica};"}.items()):
        say(f"statements: {REQUESTS:,} requests to {name}")
        store = f"ezdfs_store main {{ dsn {database.url}; root {root}; {options} }}"
        place = directory / f"nginx-statements-{number}"
        nginx = Nginx(place, "location / { ezdfs main; }", http=store, module=MODULE)
        try:
            counts = [statements(nginx, database, requests) for _ in range(rounds)]
        finally:
            nginx.stop()
        results[name] = {
            "all": statistics.median(busy for busy, _ in counts),
            "agent": statistics.median(idle for _, idle in counts),
        }
    requests.unlink()
    return results
