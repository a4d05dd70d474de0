"""What B sees of what A does: at once by the command, within the TTL by those that remember rows."""

import re
import time

from cluster import SOON, Failure, check, wait
from doors import EXPORT, MOUNT


def visible_after_a_probe(cluster):
    """B has looked for the name in vain, so its client remembers that it is not there."""
    for number, writer in enumerate(cluster.writers):
        id = f"images/probed{number}"
        cluster.lab.run("B", f"ls -l {MOUNT}/{id}; stat {MOUNT}/{id}")
        cluster.everyone_sees(id, "not found", seconds=0)
        cluster.put(id, "now", writer)
        cluster.everyone_sees(id, "ok", "now")


def overwritten_while_held_open(cluster):
    """A process on B holds the old file open, which on NFS 4.2 makes open() of the name stale.

    The new file has the old one's length, so that nothing but the name tells them apart."""
    for number, writer in enumerate(cluster.writers):
        id = f"images/held{number}"
        cluster.put(id, "older", writer)
        cluster.everyone_sees(id, "ok", "older")
        holder = cluster.hold_open("B", f"{MOUNT}/{id}")
        cluster.put(id, "newer", writer)
        cluster.everyone_sees(id, "ok", "newer")
        holder.kill()


def overwritten_by_the_node_that_holds_it_open(cluster):
    """A's client keeps what it has open as .nfsXXXX and renames the new file only then: in between, drawn out here, the
    name leads nowhere. Nobody is told so."""
    id = "images/silly"
    cluster.put(id, "0000")
    polls = [cluster.poll(reader, id) for reader in cluster.readers]
    for poll in polls:
        poll.wait("0 0000" if poll.door is cluster.command["B"] else "200 0000", 60)
    cluster.lab.delay("A", 60)
    try:
        for number in range(1, 9):
            holder = cluster.hold_open("A", f"{MOUNT}/{id}")
            cluster.put(id, f"{number:04d}", cluster.writers[number % 2])
            silly = cluster.lab.run("A", f"ls -A {MOUNT}/images | grep -c '^.nfs'; true").out.strip()
            check(silly != "0", "the client has not renamed the file that was open")
            holder.kill()
    finally:
        cluster.lab.delay("A")
    for poll in polls:
        poll.settles("0 0008" if poll.door is cluster.command["B"] else "200 0008")
        for answer in poll.end():
            is_right = re.fullmatch(r"(0|200) 000\d( \S+)?", answer)
            check(is_right or cluster.is_nfs3 and is_stale(answer), f"{poll.door.name}: {answer}")


def times_are_those_of_rows(cluster):
    """Whatever the client's clock says, and also where files of one size follow each other faster than seconds do."""
    cluster.lab.sync_clocks("A", ahead=1000)
    ids = []
    try:
        for number, writer in enumerate(cluster.writers):
            ids.append(f"images/time{number}")
            cluster.put(ids[-1], "once", writer)
            ids.append(f"images/times{number}")
            for text in "ABCD":
                cluster.put(ids[-1], text * 1000, writer)
                rows_and_files_agree(cluster, ids)
        ids.append("images/given")
        for text in "older", "newer":
            cluster.succeeds(cluster.command["A"].run("put images/given - --mtime 1000000000", stdin=text))
            rows_and_files_agree(cluster, ids)
    finally:
        cluster.lab.sync_clocks("A")
    times = cluster.database.sql("SELECT mtime FROM ezdfs.ezdfsfile WHERE name LIKE 'images/time%'").split()
    check(all(abs(int(mtime) - time.time()) < 500 for mtime in times), f"the client's clock is in rows: {times}")
    given = cluster.database.sql("SELECT mtime FROM ezdfs.ezdfsfile WHERE name = 'images/given'").strip()
    check(given == "1000000001", f"not a second more for other bytes: {given}")


def rows_and_files_agree(cluster, ids):
    """Size and time of a row are its file's own, and every node sees them so."""
    names = "', '".join(ids)
    rows = cluster.database.sql(f"SELECT name, size, mtime FROM ezdfs.ezdfsfile WHERE name IN ('{names}') ORDER BY name")
    rows = [row.replace("\t", " ") for row in rows.splitlines()]
    check(len(rows) == len(ids), f"rows: {rows}")
    for node, root in {"S": EXPORT, "A": MOUNT, "B": MOUNT}.items():
        script = f"cd {root} && ls images > /dev/null && stat -c '%n %s %Y' {' '.join(sorted(ids))}"
        seen = []

        def agree():
            seen.append(cluster.lab.run(node, script).out.splitlines())
            return seen[-1] == rows

        try:
            wait("", agree, 0 if node == "S" else SOON)
        except Failure:
            raise Failure(f"rows {rows}, files on {node} {seen[-1]}") from None


def deleted_while_held_open(cluster):
    for number, writer in enumerate(cluster.writers):
        id = f"images/gone{number}"
        cluster.put(id, "here", writer)
        cluster.everyone_sees(id, "ok", "here")
        holder = cluster.hold_open("B", f"{MOUNT}/{id}")
        cluster.succeeds(writer.remove(id))
        cluster.everyone_sees(id, "not found")
        holder.kill()


SIZES = {"a": 300_000, "b": 200_000}


def whole_files_only(cluster):
    """A overwrites by turns, B reads by every door: every read is one of the two, entirely.

    On NFS 3 a reader whose file is replaced may be told so, but gets no mixture."""
    id = "images/turns"
    for letter, size in SIZES.items():
        make = f"head -c {size} /dev/zero | tr '\\0' {letter} > /tmp/{letter}"
        cluster.lab.run("A", make, check=True, timeout=60)
    cluster.succeeds(cluster.command["A"].put_file(id, "/tmp/a"))
    polls = [cluster.poll(reader, id) for reader in cluster.readers]
    for poll, good in zip(polls, ["0 a*300000"] + ["200 a*300000"] * 3):
        poll.wait(good, 60)
    for round in range(8):
        writer = cluster.writers[round % 2]
        cluster.succeeds(writer.put_file(id, "/tmp/" + "ba"[round // 2 % 2]))
    seen = {poll.door.name: poll.end() for poll in polls}
    for name, answers in seen.items():
        for answer in answers:
            check(is_whole(answer) or cluster.is_nfs3 and is_stale(answer), f"{name}: torn read: {answer} of {answers}")
    check(any(len(answers) > 2 for answers in seen.values()), f"nobody saw a change: {seen}")


def is_whole(answer):
    status, _, rest = answer.partition(" ")
    return status in ("0", "200") and rest.split(" ")[0] in [f"{letter}*{size}" for letter, size in SIZES.items()]


def is_stale(answer):
    return "Stale file handle" in answer or answer.startswith("broken off")


SCENARIOS = [
    visible_after_a_probe,
    overwritten_while_held_open,
    overwritten_by_the_node_that_holds_it_open,
    deleted_while_held_open,
    times_are_those_of_rows,
    whole_files_only,
]
