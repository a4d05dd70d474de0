"""What B sees of what A does: at once by the command, within the TTL by those that remember rows."""

from cluster import check
from doors import MOUNT


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


SCENARIOS = [visible_after_a_probe, overwritten_while_held_open, deleted_while_held_open, whole_files_only]
