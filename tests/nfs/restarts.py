"""The server carries calls out, and is started anew before anybody has heard of it. It does not know these calls any
more when clients send them again: what was renamed or removed is not there, what was made is there already."""

import json
import re

from cluster import check, wait
from doors import EXPORT, HERE
from faults import all_is_well
from overwrite import LINES, body
from visibility import rows_and_files_agree

WRITES = 200
# In seconds, on a machine that does much else.
LONGEST = 900
IDS = [f"images/restart{number}" for number in range(4)]

# What is lost at each restart, and whether the server loses power.
RESTARTS = [("RENAME", False), ("LINK", False), ("REMOVE", False), ("CREATE", False), ("RENAME", True)]

# Connections that are closed are forgotten at once, with the answers that they would send again.
RESTART = """
cat /proc/sys/net/ipv4/tcp_max_orphans > /tmp/orphans; echo 0 > /proc/sys/net/ipv4/tcp_max_orphans
rpc.nfsd 0 && cat /tmp/orphans > /proc/sys/net/ipv4/tcp_max_orphans
for link in eth1 eth2; do tc qdisc del dev $link root; ip link set $link up; done
rpc.nfsd --lease-time {lease} --grace-time {grace} 8
"""


class Writer:
    """A process on a node that overwrites files by turns until so many writes are acknowledged."""

    def __init__(self, cluster, letter, door, count):
        self.name = f"{letter}: {door.name}"
        program = f"exec python3 {HERE}/overwrite.py {letter} {count} {','.join(IDS)} {door.overwrite()}"
        self.command = cluster.lab.start(door.node, program)

    def writes(self):
        lines = self.command.output().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]

    def acknowledged(self):
        return sum(write["is_stored"] for write in self.writes())

    def has_ended(self):
        if not self.command.poll():
            return False
        ended = self.command.wait(10)
        check(ended.rc == 0, f"{self.name}: {ended.out[-2000:]}")
        return True


def overwrites_while_the_server_restarts(cluster):
    """Every read is whole; what was acknowledged is there, or something later; what failed has left nothing."""
    for id in IDS:
        cluster.put(id, body("z", 0))
    polls = {id: cluster.poll(reader, id) for id, reader in zip(IDS, cluster.readers)}
    for poll in polls.values():
        poll.wait(f"{0 if poll.door is cluster.command['B'] else 200} z0000*{LINES}", 60)
    # A command takes seconds to start in a guest.
    doors = [("a", cluster.patient["A"], 30), ("b", cluster.patient["B"], 20), ("p", cluster.php["A"], WRITES - 50)]
    writers = [Writer(cluster, *door) for door in doors]
    try:
        for number, (kind, is_crash) in enumerate(RESTARTS):
            share = WRITES * (number + 1) // (len(RESTARTS) + 1)
            wait(f"{share} writes", lambda: sum(writer.acknowledged() for writer in writers) >= share, LONGEST)
            restart(cluster, kind, is_crash)
        for writer in writers:
            wait(f"{writer.name} to end", writer.has_ended, LONGEST)
    finally:
        for writer in writers:
            if not writer.command.poll():
                writer.command.kill()
    writes = [write for writer in writers for write in writer.writes()]
    last = {id: last_version(cluster, id, writes) for id in IDS}
    for id, poll in polls.items():
        poll.settles(("0 " if poll.door is cluster.command["B"] else "200 ") + f"{last[id]}*{LINES}")
        all_are_whole(cluster, poll)
    rows_and_files_agree(cluster, IDS)
    nothing_is_left(cluster, writes)
    all_is_well(cluster)


def restart(cluster, kind, is_crash):
    lost = cluster.lab.run("S", f"python3 {HERE}/lose_replies.py {kind} {EXPORT}/images", timeout=90)
    check(lost.out.startswith(kind), f"no {kind} was carried out: {lost}")
    if is_crash:
        cluster.lab.reboot("S", hard=True)
    else:
        script = RESTART.format(lease=cluster.lab.lease, grace=cluster.lab.grace)
        cluster.lab.run("S", script, timeout=60, check=True)


def last_version(cluster, id, writes):
    """What a file has at the end: that of a write that may have been the last."""
    of_file = [write for write in writes if write["id"] == id]
    stored = [write for write in of_file if write["is_stored"]]
    may_be = [write for write in of_file if write["is_stored"] or is_open(write)]
    newest = max(write["start"] for write in stored)
    found = cluster.command["B"].get(id)
    check(found.kind == "ok", f"{id}: {found}")
    name = found.text.partition("\n")[0]
    check(found.text == f"{name}\n" * LINES, f"{id}: not a whole file: {found.text[:200]!r}")
    fitting = [write["name"] for write in may_be if write["end"] > newest]
    check(name in fitting, f"{id} has {name}, not one of {fitting}: {of_file}")
    return name


def is_open(write):
    return not write["is_stored"] and "outcome is unknown" in write["said"]


def all_are_whole(cluster, poll):
    """And nobody was told that a file is not there; and the last validator was of the last file alone."""
    answers = poll.end()
    last = answers[-1].split()
    for answer in answers:
        label = f"{poll.door.name}: {answer} of {answers}"
        is_whole = re.fullmatch(rf"(0|200) [a-z]\d{{4}}\*{LINES}( \S+)?", answer)
        # There a file that is replaced goes under the hands of whoever is reading it on another node.
        is_stale = cluster.is_nfs3 and ("Stale file handle" in answer or answer.startswith("broken off: Incomplete"))
        is_refused = is_stale or answer.startswith(("3 ", "503 "))
        check(is_whole or is_refused, f"neither whole nor refused: {label}")
        check(answer.split()[2:] != last[2:] or len(last) < 3 or answer.split() == last, f"another file's validator: {label}")


def nothing_is_left(cluster, writes):
    """But for writes that said that their outcome is unknown: of each a file set aside and one staged."""
    left = cluster.lab.run("S", f"find {EXPORT} -name '.ezdfs-*' ! -path '*/.ezdfs-trash*'").out.split()
    unclear = [write["said"] for write in writes if is_open(write)]
    check(len(left) <= 2 * len(unclear), f"left: {left}; unclear: {unclear}")


SCENARIOS = [overwrites_while_the_server_restarts]
