"""What is asked of the contestants, by wrk."""

import contextlib
import dataclasses
import email.utils
import http.client
import json
import pathlib
import random
import subprocess
import sys

from contestants import ALL, NEAR
from processes import Daemon, cpu_seconds, program
from servers import PHP_FLAGS, PHP_SCRIPTS, TOP
from tree import MTIME, SMALL_FILES, STORAGE

CONNECTIONS = 32
OVERWRITES = 0.05
MISSING = 10_000


@dataclasses.dataclass
class Load:
    title: str
    files: str = "hot"
    status: int = 200
    connections: int = CONNECTIONS
    # Sent with every request; one variant after the other where there are more.
    headers: list = dataclasses.field(default_factory=lambda: [{}])
    missing: bool = False
    # Caches are cold at the start, and no file is asked for twice.
    once: bool = False
    # Files change meanwhile.
    writer: bool = False
    # Transfers are so long that bytes are counted, not answers.
    by_bytes: bool = False
    slow_mount: bool = False
    # How many files of the set, each asked for so often before anything is measured.
    most: int | None = None
    warm_up: int = 0
    # Files are asked for by Zipf's law, so many a second.
    a_second: int | None = None
    seconds: int = 0
    who: list = dataclasses.field(default_factory=lambda: ALL)

    def paths(self, sets):
        if self.missing:
            return [f"{STORAGE}/_missing/{i // 100}/{i}.jpg" for i in range(MISSING)]
        paths = sets[self.files].paths[: self.most]
        random.Random(1).shuffle(paths)
        return paths

    def asked(self, paths):
        """The order in which they are asked for."""
        if not self.a_second:
            return paths
        weights = [1 / rank for rank in range(1, len(paths) + 1)]
        return random.Random(2).choices(paths, weights, k=10 * len(paths))


DATE = email.utils.formatdate(MTIME, usegmt=True)
LOADS = {
    "hot": Load("20 KB pictures, hot"),
    "hot-2000": Load("4 KB files, 2,000 of them, hot", files="small", most=2_000, warm_up=6, who=NEAR),
    "hot-10000": Load("4 KB files, 10,000 of them, hot", files="small", most=10_000, warm_up=6, who=NEAR),
    "spread": Load(
        f"4 KB files, {SMALL_FILES:,} of them, each asked for once in half a minute",
        files="small", warm_up=6, a_second=SMALL_FILES // 30, seconds=15, who=NEAR,
    ),
    "latency": Load("20 KB pictures, hot, 0.5 ms for each call of the file system", slow_mount=True),
    "scan": Load("4 KB files, each once, caches cold", files="scan", once=True),
    "304": Load("304 Not Modified", status=304, headers=[{"If-None-Match": "ETAG"}, {"If-Modified-Since": DATE}]),
    "range": Load("1,000 bytes out of 20 KB", status=206, headers=[{"Range": "bytes=5000-5999"}]),
    "2mb": Load("2 MB files", files="2mb", by_bytes=True),
    "50mb": Load("50 MB files, 4 connections", files="50mb", connections=4, by_bytes=True),
    "404": Load("404 Not Found", status=404, missing=True),
    "mix": Load("20 KB pictures, 5 % of them overwritten each second", files="mix", writer=True),
}


def get(port, path, headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", f"/{path}", headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, len(body)


def wrk(port, requests, once, seconds, connections=CONNECTIONS, a_second=None):
    """Plays a list of requests, see wrk.lua; as fast as it can, or so many a second."""
    pause = [1000 * connections // a_second] if a_second else []
    command = [program("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s"]
    command += ["-s", TOP / "benches/wrk.lua", f"http://127.0.0.1:{port}/"]
    command += ["--", requests, "once" if once else "loop", *pause]
    text = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout
    return json.loads(text.splitlines()[-1])


def filled_in(headers, etag):
    return {key: etag if value == "ETAG" else value for key, value in headers.items()}


class Play:
    """One load, ready to be played to each contestant."""

    def __init__(self, key, load, sets, fleet, directory):
        self.load = load
        self.paths = load.paths(sets)
        self.size = sets[load.files].size
        self.members = {name: fleet.members[name] for name in load.who}
        self.lists = {}
        for number, (name, member) in enumerate(self.members.items()):
            etag = self.check(name, member)
            self.lists[name] = directory / f"{key}-{number}.list"
            self.warm_up(member, self.lists[name])
            self.lists[name].write_text("".join(self.lines(etag)))

    def check(self, name, member):
        """Warms up, and makes sure that every contestant answers alike. Returns the validator."""
        load = self.load
        etag = None if load.missing else get(member.port, self.paths[0], {})[0].headers["ETag"]
        lengths = {200: self.size, 206: 1000, 304: 0}
        for headers in load.headers:
            for path in self.paths[: 3 if load.once or load.by_bytes else 200]:
                answer, length = get(member.port, path, filled_in(headers, etag))
                if answer.status != load.status or length != lengths.get(load.status, length):
                    sys.exit(f"{name}: {load.title}: {path}: {answer.status} with {length} bytes")
        return etag

    def warm_up(self, member, place):
        if self.load.warm_up:
            place.write_text("".join(f"/{path}\n" for path in self.paths) * self.load.warm_up)
            wrk(member.port, place, once=True, seconds=600)

    def lines(self, etag):
        for headers in self.load.headers:
            fields = "".join(f"\t{key}: {value}" for key, value in filled_in(headers, etag).items())
            yield from (f"/{path}{fields}\n" for path in self.load.asked(self.paths))

    def play(self, name, seconds):
        """One measurement: requests a second, CPU seconds of the servers for one, latencies."""
        load, member = self.load, self.members[name]
        if load.once:
            member.forget()
        before = cpu_seconds(member.pids)
        seconds = max(seconds, load.seconds)
        seen = wrk(member.port, self.lists[name], load.once, seconds, load.connections, load.a_second)
        cpu = cpu_seconds(member.pids) - before
        expected = seen["requests"] if load.status >= 400 else 0
        if seen["broken"] or seen["refused"] != expected or not seen["bytes"]:
            sys.exit(f"{name}: {load.title}: wrk saw errors: {seen}")
        count = seen["bytes"] / self.size if load.by_bytes else seen["requests"]
        return {
            "rate": count / seen["seconds"],
            "cpu": cpu / count,
            "p50": seen["p50"] / 1e6,
            "p99": seen["p99"] / 1e6,
        }


@contextlib.contextmanager
def writing(load, sets, root, database, directory):
    """A process that overwrites files of the set while the block runs, where the load wants one."""
    if not load.writer:
        yield
        return
    paths = sets[load.files].paths
    names = directory / "overwritten.list"
    names.write_text("\n".join(paths))
    command = [program("php"), *PHP_FLAGS, PHP_SCRIPTS / "writer.php", names]
    command += [int(len(paths) * OVERWRITES), sets[load.files].size]
    env = {**database.env, "BENCH_ROOT": str(root)}
    with Daemon("writer", command, directory / "writer.log", lambda: True, env=env) as writer:
        yield
        if writer.process.poll() is not None:
            sys.exit(f"the writer ended:\n{writer.log.read_text()}")


def measure(key, sets, fleet, root, database, directory, rounds, seconds, say):
    """Rounds in which the contestants take turns. Returns the figures of each."""
    load = LOADS[key]
    play = Play(key, load, sets, fleet, directory)
    who = load.who
    figures = {name: [] for name in who}
    with writing(load, sets, root, database, directory):
        for number in range(rounds):
            say(f"{key}: round {number + 1} of {rounds}")
            # Another order in each round, so that nobody always follows the same one.
            for name in who[number % len(who) :] + who[: number % len(who)]:
                figures[name].append(play.play(name, seconds))
    for each in play.lists.values():
        pathlib.Path(each).unlink()
    return figures
