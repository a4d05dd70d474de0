"""Descriptors that nginx on B keeps open: trusted for the TTL and no longer, and in nobody's way."""

import time

from cluster import SOON, check, wait
from doors import MOUNT, TTL
from poll import shape

SIZE = 20_000
OLD, NEW = "a" * SIZE, "b" * SIZE
OLD_ANSWER, NEW_ANSWER = f"200 {shape(OLD.encode())}", f"200 {shape(NEW.encode())}"


def hot_file_overwritten(cluster):
    """Overwritten by the other node, and by another process of the same node, while B serves it without a pause.

    The new file is as long as the old one, and no validator may speak of the new one with the bytes of the old."""
    pairs = [
        (cluster.command["A"], cluster.nginx["nginx"]),
        (cluster.php["A"], cluster.nginx["nginx without threads"]),
        (cluster.php["B"], cluster.nginx["nginx"]),
    ]
    polls = []
    for number, (_, reader) in enumerate(pairs):
        id = f"images/hot{number}"
        cluster.put(id, OLD)
        polls.append(cluster.poll(reader, id))
    for poll in polls:
        poll.wait(OLD_ANSWER, 60)
    time.sleep(TTL)
    for number, (writer, _) in enumerate(pairs):
        cluster.put(f"images/hot{number}", NEW, writer)
    for (writer, reader), poll in zip(pairs, polls):
        poll.settles(NEW_ANSWER)
        answers = poll.end()
        validator = answers[-1].split()[2]
        for answer in answers:
            status, body, etag = answer.split()
            label = f"{writer.name}, {reader.name}: {answer} of {answers}"
            check(f"{status} {body}" in (OLD_ANSWER, NEW_ANSWER), f"not a whole file: {label}")
            check(body in NEW_ANSWER or etag != validator, f"the old bytes as the new file: {label}")


def hot_file_written_in_place(cluster):
    """As a PHP kernel writes: truncate and write, then the row. Parts may be seen until then, not afterwards."""
    lengths = {"images/place0": SIZE, "images/place1": SIZE // 2, "images/place2": 3 * SIZE}
    polls = []
    for id in lengths:
        cluster.put(id, OLD)
        polls.append(cluster.poll(cluster.nginx["nginx"], id))
    for poll in polls:
        poll.wait(OLD_ANSWER, 60)
    for id, length in lengths.items():
        write = f"file_put_contents('{MOUNT}/{id}', str_repeat('b', {length}));"
        cluster.lab.run("A", f'php -n -r "{write}"', check=True, timeout=60)
        cluster.database.sql(f"UPDATE ezdfs.ezdfsfile SET size = {length}, mtime = {int(time.time())} WHERE name = '{id}'")
    for poll, length in zip(polls, lengths.values()):
        poll.settles(f"200 {shape(b'b' * length)} ")
        poll.end()


def hot_file_deleted(cluster):
    pairs = list(zip(cluster.writers, [cluster.nginx["nginx"], cluster.nginx["nginx without threads"]]))
    polls = []
    for number, (_, reader) in enumerate(pairs):
        cluster.put(f"images/deleted{number}", OLD)
        polls.append(cluster.poll(reader, f"images/deleted{number}"))
    for poll in polls:
        poll.wait(OLD_ANSWER, 60)
    for number, (writer, _) in enumerate(pairs):
        cluster.succeeds(writer.remove(f"images/deleted{number}"))
    for poll in polls:
        poll.settles("404")
        answers = poll.end()
        check(all(answer.startswith((OLD_ANSWER, "404")) for answer in answers), f"{poll.door.name}: {answers}")


def idle_descriptors_closed(cluster):
    """Nobody asks nginx any more: other programs of B see what replaced the file."""
    id = "images/idle"
    cluster.put(id, "older")
    opened(cluster, cluster.nginx["nginx"], id, 1)
    cluster.put(id, "newer")
    wait("nginx to close the file", lambda: cluster.open_by_nginx(id) == 0, SOON)
    seen = cluster.lab.run("B", f"cat {MOUNT}/{id}").out
    check(seen == "newer", f"cat on B reads {seen!r}")


def descriptors_gone_stale(cluster):
    """The file was replaced and its pages are gone while nginx trusts its descriptor still: on NFS 3 that one is stale,
    which is noticed before anything is sent."""
    old, new = "a" * 100_000, "b" * 100_000
    for number, name in enumerate(["patient nginx", "patient nginx without threads"]):
        reader, id = cluster.nginx[name], f"images/stale{number}"
        cluster.put(id, old)
        opened(cluster, reader, id, 2)
        cluster.put(id, new)
        cluster.lab.drop_caches("B")
        answers = [reader.get(id) for _ in range(8)]
        kinds = [answer.kind for answer in answers]
        shapes = [shape(answer.text.encode()) for answer in answers]
        label = f"{name}: {list(zip(kinds, shapes))}"
        check(set(kinds) == {"ok"}, label)
        for kind, text in zip(kinds, shapes):
            check(kind != "ok" or text in (shape(old.encode()), shape(new.encode())), label)


def directory_deleted_while_open(cluster):
    """nginx has a file open whose directory another process of its node deletes: the client keeps the file as
    .nfsXXXX, which is no failure, until nginx is asked for it and notices."""
    nginx = cluster.nginx["patient nginx"]
    for number, remover in enumerate([cluster.command["B"], cluster.php["B"]]):
        directory = f"images/dir{number}"
        id = f"{directory}/a"
        cluster.put(id, "there")
        opened(cluster, nginx, id, 1)
        cluster.succeeds(remover.remove_directory(directory))
        silly = f"find {MOUNT}/{directory} -name '.nfs*'"
        check(cluster.lab.run("B", silly).out, "no .nfs file is left: nginx had nothing open")

        def closed():
            return nginx.get(id).kind == "not found" and cluster.lab.run("B", silly).out == ""

        wait("the .nfs file to go", closed, 60)
        cluster.succeeds(remover.remove_directory(directory))
        left = cluster.lab.run("B", f"ls -A {MOUNT}/{directory}")
        check(left.rc != 0, f"{remover.name} leaves {directory}: {left.out}")
        cluster.everyone_sees(id, "not found")


def opened(cluster, reader, id, workers):
    """Asks until so many workers have the file open; which of them answers is up to chance."""
    ask = f"for n in 1 2 3 4 5 6; do curl -s -m 30 -o /dev/null {reader.base}/{id}; done"

    def right():
        cluster.lab.run("B", ask, timeout=200)
        return cluster.open_by_nginx(id) >= workers

    wait(f"{workers} workers to have {id} open", right, 60)


SCENARIOS = [
    hot_file_overwritten,
    hot_file_written_in_place,
    hot_file_deleted,
    idle_descriptors_closed,
    descriptors_gone_stale,
    directory_deleted_while_open,
]
