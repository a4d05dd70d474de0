"""The mount, the disk or the server fails: refused or given up in time, nothing lost, and well again by itself."""

from concurrent.futures import ThreadPoolExecutor

from cluster import check, wait
from descriptors import opened
from doors import MOUNT


def no_mount(cluster):
    """An empty mount point: everything refuses, nothing is deleted, no 404."""
    cluster.everyone_sees("images/first", "ok", "first")
    count = "SELECT COUNT(*) FROM ezdfs.ezdfsfile WHERE expired = 0 AND mtime > 0"
    rows = cluster.database.sql(count)
    cluster.lab.umount("B", lazy=True)
    try:
        cluster.everyone_sees("images/first", "unavailable")
        for door in cluster.command["B"], cluster.php["B"]:
            for answer in (
                door.put("images/lost", "x"),
                door.remove("images/first"),
                door.remove_directory("images"),
            ):
                check(answer.kind == "unavailable", f"{door.name}: {answer}")
        check(cluster.database.sql(count) == rows, "rows were deleted, or written")
    finally:
        cluster.lab.mount("B")
    cluster.everyone_sees("images/first", "ok", "first")


def full_disk(cluster):
    for number, writer in enumerate(cluster.writers):
        cluster.put(f"images/kept{number}", "kept", writer)
    cluster.lab.run("A", "head -c 3000000 /dev/zero > /tmp/big", check=True)
    fill = "fallocate -l $(df -B1 --output=avail /srv/export | tail -1) /srv/export/.full"
    more = "dd if=/dev/zero of=/srv/export/.full bs=1M; dd if=/dev/zero of=/srv/export/.more bs=4k; true"
    cluster.lab.run("S", f"{fill} || {more}", timeout=120)
    try:
        for number, writer in enumerate(cluster.writers):
            answer = writer.put_file(f"images/kept{number}", "/tmp/big")
            check(answer.kind == "storage", f"{writer.name}: {answer}")
    finally:
        cluster.lab.run("S", "rm -f /srv/export/.full /srv/export/.more", check=True)
    left = cluster.lab.run("A", f"find {MOUNT} -name '.ezdfs-*'").out
    check(left == "", f"staging files are left: {left}")
    for number, writer in enumerate(cluster.writers):
        cluster.everyone_sees(f"images/kept{number}", "ok", "kept")
        cluster.put(f"images/kept{number}", "again", writer)
        cluster.everyone_sees(f"images/kept{number}", "ok", "again")


def frozen_server(cluster):
    """Readers, writers and deleters give up at their deadline, nginx serves other requests, and all recovers by itself."""
    cluster.put("images/cold", "cold")
    cluster.put("images/doomed", "doomed")
    # Asked for so often that both workers have it in memory.
    hot = cluster.nginx["patient nginx"]
    opened(cluster, hot, "images/first", 2)
    cluster.lab.run("B", f"for n in $(seq 60); do curl -s -o /dev/null {hot.base}/images/first; done", timeout=200)
    calls = [(reader.name, lambda reader=reader: reader.get("images/cold")) for reader in cluster.readers * 2]
    for number, writer in enumerate(cluster.writers):
        calls.append((writer.name, lambda writer=writer, id=f"images/frozen{number}": writer.put(id, "frozen")))
    calls.append(("deleter", lambda: cluster.command["B"].remove("images/doomed")))
    cluster.lab.drop_caches("B")
    cluster.lab.hang()
    try:
        with ThreadPoolExecutor(len(calls)) as pool:
            answers = [(name, pool.submit(call)) for name, call in calls]
            for _ in range(8):
                check(hot.get("images/first") == ("ok", "first"), f"{hot.name}: a hot file while the server is frozen")
            wait("both workers to answer", lambda: both_answer(cluster), 60)
            for name, answer in answers:
                kind = answer.result(120).kind
                check(kind == "unavailable", f"{name}: {kind}, not unavailable")
            wait("both workers to answer once more", lambda: both_answer(cluster), 60)
    finally:
        cluster.lab.resume()
    cluster.everyone_sees("images/cold", "ok", "cold", 90)
    for number, writer in enumerate(cluster.writers):
        cluster.stores_in_time(writer, f"images/frozen{number}", "thawed")
        cluster.everyone_sees(f"images/frozen{number}", "ok", "thawed")
    # The deletion that nobody waited for is done, or was not begun.
    answer = cluster.command["B"].remove("images/doomed")
    check(answer.kind in ("ok", "not found"), f"deleting again: {answer}")
    cluster.everyone_sees("images/doomed", "not found")
    all_is_well(cluster)


def both_answer(cluster):
    """Whether both workers of nginx do, of which chance picks one for each request."""
    script = "for n in 1 2 3 4 5 6 7 8 9 10; do curl -s -m 5 http://127.0.0.1:8080/pid; echo; done | grep . | sort -u | wc -l"
    return int(cluster.lab.run("B", script, timeout=90).out) == 2


def all_is_well(cluster):
    found = cluster.command["A"].run("fsck", timeout=120)
    check(found.kind == "ok", f"fsck: {found}")


def rebooted_server(cluster):
    """The server loses power: what was acknowledged is there, and writing goes on when it is back."""
    for number, writer in enumerate(cluster.writers):
        cluster.put(f"images/before{number}", "before", writer)
    cluster.lab.reboot("S", hard=True)
    for number, writer in enumerate(cluster.writers):
        cluster.stores_in_time(writer, f"images/after{number}", "after")
    for number in range(len(cluster.writers)):
        cluster.everyone_sees(f"images/before{number}", "ok", "before", 120)
        cluster.everyone_sees(f"images/after{number}", "ok", "after", 60)
    all_is_well(cluster)


SCENARIOS = [no_mount, full_disk, frozen_server, rebooted_server]
