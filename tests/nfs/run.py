#!/usr/bin/env python3
"""Plays consistency scenarios on the real Linux NFS client.

EZDFS_NFS_LAB names the folder of a lab that offers `lab.Lab`: one NFS server
and two client nodes, A and B, which run this machine's own programs. Node A
writes by the command and by PHP, node B reads by both and serves by nginx with
the module; the table is in a private MariaDB on this machine. Without the
variable nothing is run.

    EZDFS_NFS_LAB=/path make test-nfs
    EZDFS_NFS_LAB=/path tests/nfs/run.py [SETUP or SCENARIO]...
"""

import os
import pathlib
import sys
import tempfile
import time
import traceback

import descriptors
import faults
import replica
import restarts
import visibility
from cluster import Cluster, Failure, MariaDb

SETUPS = [
    ("NFS 4.2", dict(version="4.2")),
    ("NFS 4.2, no delegations", dict(version="4.2", delegations=False)),
    ("NFS 3", dict(version="3")),
    ("NFS 4.2, replica", dict(version="4.2")),
]
SCENARIOS = (
    visibility.SCENARIOS + descriptors.SCENARIOS + replica.SCENARIOS + faults.SCENARIOS + restarts.SCENARIOS
)


class Tally:
    def __init__(self):
        self.passed = self.failed = 0

    def play(self, cluster, title, scenario):
        since = time.monotonic()
        try:
            scenario(cluster)
            failure = None
        except Failure as told:
            failure = str(told)
        except Exception:
            failure = traceback.format_exc()
        finally:
            cluster.end_polls()
        label = f"{title}: {scenario.__name__} ({time.monotonic() - since:.0f} s)"
        if failure is None:
            self.passed += 1
            print(f"ok      {label}", flush=True)
        else:
            self.failed += 1
            log = cluster.lab.run("B", "tail -n 15 /tmp/n/error.log").out
            print(f"FAILED  {label}: {failure}\n        nginx said last:\n{log}", flush=True)


def choose(words):
    """What the command line names, of setups and of scenarios; all where it names none."""
    setups = {title: setup for title, setup in SETUPS if title in words}
    scenarios = [scenario for scenario in SCENARIOS if scenario.__name__ in words]
    if len(setups) + len(scenarios) < len(set(words)):
        names = [title for title, _ in SETUPS] + [scenario.__name__ for scenario in SCENARIOS]
        sys.exit(f"setups and scenarios are: {'; '.join(names)}")
    return setups or dict(SETUPS), scenarios or SCENARIOS


def boot(Lab, setup):
    """Guests are lent this machine's mounts, one of which may go at that moment: then once more."""
    for _ in range(2):
        try:
            return Lab(**setup).up()
        except Exception as error:
            print(f"the lab does not start, trying again: {error}", flush=True)
    return Lab(**setup).up()


def main():
    folder = os.environ.get("EZDFS_NFS_LAB")
    if not folder:
        print("skipped: EZDFS_NFS_LAB names no NFS lab")
        return 0
    sys.path.insert(0, folder)
    from lab import HOST, Lab

    setups, scenarios = choose(sys.argv[1:])
    tally, since = Tally(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ezdfs-nfs-") as name:
        directory = pathlib.Path(name)
        os.environ.setdefault("NFSLAB_DIR", str(directory / "lab"))
        database = MariaDb(directory)
        try:
            for title, setup in setups.items():
                lab = boot(Lab, setup)
                try:
                    cluster = Cluster(lab, database, HOST, title)
                    for scenario in scenarios:
                        if scenario in replica.SCENARIOS and not cluster.has_replica:
                            continue
                        tally.play(cluster, title, scenario)
                    cluster.stop()
                finally:
                    lab.down()
        finally:
            database.stop()
    print(f"{tally.passed} passed, {tally.failed} failed, in {time.monotonic() - since:.0f} s")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
