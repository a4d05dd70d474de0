"""What B sees by its replica of what A does, and without the database."""

import json
import statistics

from cluster import SOON, check, wait
from doors import HERE, MAX_LAG
from overwrite import LINES

WRITES = 40
IDS = ["images/version"]


def a_version_is_one(cluster):
    """A overwrites while B reads by every door: bytes and validator are one version's, and each is seen soon."""
    id = IDS[0]
    cluster.lab.sync_clocks("A")
    cluster.lab.sync_clocks("B")
    cluster.put(id, "a0000\n" * LINES)
    polls = [cluster.poll(reader, id) for reader in cluster.readers]
    for poll in polls:
        poll.wait(f"{good(poll)} a0000*{LINES}", 60)
    writer = cluster.php["A"].overwrite()
    program = f"exec python3 {HERE}/overwrite.py a {WRITES} {id} {writer}"
    ended = cluster.lab.start("A", program).wait(600)
    check(ended.rc == 0, ended.out[-2000:])
    writes = [json.loads(line) for line in ended.out.splitlines() if line.startswith("{")]
    check(all(write["is_stored"] for write in writes), f"writes failed: {writes}")
    for poll in polls:
        poll.wait(f"{good(poll)} {writes[-1]['name']}*{LINES}", SOON)
        lines = poll.command.output().splitlines()
        poll.kill()
        validators = {}
        for line in lines:
            _, kind, body, *validator = line.split(" ", 3)
            check(kind == good(poll) and body.endswith(f"*{LINES}"), f"{poll.door.name}: {line}")
            check(validators.setdefault(body, validator) == validator, f"{poll.door.name}: two validators: {lines}")
        if poll.door is not cluster.command["B"] and poll.door is not cluster.php["B"]:
            distinct = {tuple(validator) for validator in validators.values()}
            check(len(distinct) == len(validators), f"{poll.door.name}: one validator of two versions: {lines}")
        times = sorted(staleness(writes, lines))
        print(f"        {poll.door.name}: seen after {statistics.median(times):.2f} s, at most {times[-1]:.2f}", flush=True)
        check(times[-1] <= MAX_LAG + SOON, f"{poll.door.name}: seen after {times}")


def good(poll):
    return "200" if poll.door.poll(IDS[0]).startswith("http:") else "0"


def staleness(writes, lines):
    """From the end of each write until it, or one after it, was seen."""
    order = {"a0000": -1} | {write["name"]: number for number, write in enumerate(writes)}
    seen = [(float(line.split(" ")[0]), order[line.split(" ")[2].partition("*")[0]]) for line in lines]
    for number, write in enumerate(writes):
        yield max(0.0, min(time for time, version in seen if version >= number) - write["end"])


def the_database_is_out_of_reach(cluster):
    """B goes on with what its replica said last, and hears what it missed when the database is back."""
    names = [f"images/known{number}" for number in range(4)]
    for name in names:
        cluster.put(name, "known")
        cluster.everyone_sees(name, "ok", "known")
    cluster.lab.cut_host("B", carrier=True)
    try:
        wait("the replica to grow old", lambda: cluster.command["B"].run("replica status").kind != "ok", 60)
        for name in names:
            for reader in cluster.readers:
                answer = reader.get(name)
                check((answer.kind, answer.text) == ("ok", "known"), f"{reader.name}: {name}: {answer}")
        for reader in cluster.readers:
            answer = reader.get("images/never")
            check(answer.kind == "not found", f"{reader.name}: {answer}")
        cluster.put(names[0], "newer")
    finally:
        cluster.lab.restore_host("B")
    cluster.everyone_sees(names[0], "ok", "newer", 90)


SCENARIOS = [a_version_is_one, the_database_is_out_of_reach]
