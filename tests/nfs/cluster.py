"""A store on the lab: its table in a MariaDB on this machine, nodes A and B with every door into it."""

import os
import re
import socket
import subprocess
import time

import doors
from doors import HERE, MAX_LAG, MOUNT, REPLICA, TTL

# What must be seen is seen within so many seconds: guests are slow. Well below the
# 28 for which an NFS client goes on by its caches.
SOON = 20


class Failure(Exception):
    pass


def check(truth, text):
    if not truth:
        raise Failure(text)


def wait(what, ready, seconds):
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise Failure(f"waited {seconds} s in vain for {what}")
        time.sleep(0.2)


class MariaDb:
    """A private server on a loopback port, which guests reach through the host."""

    def __init__(self, directory):
        self.directory = directory
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        data = directory / "data"
        user = ["--user=root"] if os.getuid() == 0 else []
        install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db", *user]
        subprocess.run(install, check=True, capture_output=True)
        self.process = subprocess.Popen(
            ["mariadbd", "--no-defaults", f"--datadir={data}", f"--socket={directory}/sock", *user]
            + [f"--port={self.port}", "--bind-address=127.0.0.1", "--skip-grant-tables", "--skip-name-resolve"],
            stdout=subprocess.DEVNULL,
            stderr=open(directory / "mariadb.log", "w"),
        )
        wait("MariaDB", lambda: (directory / "sock").exists(), 60)
        self.sql("CREATE DATABASE ezdfs CHARACTER SET utf8mb4")

    def sql(self, text):
        command = ["mariadb", "--no-defaults", f"--socket={self.directory}/sock", "-Ne", text]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def dsn(self, host):
        return f"mysql://ezdfs:x@{host}:{self.port}/ezdfs?ssl-mode=disabled"

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Poll:
    """One file, asked for again and again in a node."""

    def __init__(self, cluster, door, id):
        self.door = door
        self.is_killed = False
        self.command = cluster.lab.start(door.node, f"exec python3 {HERE}/poll.py {door.poll(id)}")

    def answers(self):
        """Answers that differ from the one before, with the time of the first."""
        lines = self.command.output().splitlines()
        return [line.partition(" ")[2] for line in lines]

    def wait(self, start, seconds=SOON):
        """Until the last answer begins like this."""
        def right():
            check(not self.command.poll(), f"{self.door.name}: the poll ended: {self.command.output()}")
            return self.answers()[-1:] and self.answers()[-1].startswith(start)

        try:
            wait("", right, seconds)
        except Failure:
            raise Failure(f"{self.door.name}: wanted {start!r}, saw {self.answers()}") from None

    def settles(self, start):
        """Until the answers begin like this and stay so, both workers' rows having been read anew."""
        self.wait(start)
        end = time.monotonic() + SOON
        since, length = time.monotonic(), len(self.answers())
        while time.monotonic() < since + 2 * TTL or not self.answers()[-1].startswith(start):
            check(time.monotonic() < end, f"{self.door.name}: wanted {start!r} to stay, saw {self.answers()}")
            time.sleep(0.5)
            if len(self.answers()) != length:
                since, length = time.monotonic(), len(self.answers())

    def end(self):
        answers = self.answers()
        self.kill()
        return answers

    def kill(self):
        """Once: its end is heard of a moment later, and nobody can be killed twice."""
        if not (self.is_killed or self.command.poll()):
            self.is_killed = True
            self.command.kill()


class Cluster:
    def __init__(self, lab, database, host, title):
        self.lab, self.database = lab, database
        self.is_nfs3 = "NFS 3" in title
        dsn = database.dsn(host)
        self.has_replica = "replica" in title
        replica = {"replica": REPLICA, "replica_max_lag": f"{MAX_LAG}s"} if self.has_replica else {}
        database.sql("DROP TABLE IF EXISTS ezdfs.ezdfsfile, ezdfs.ezdfsfile_changes")
        self.command = {node: doors.Command(lab, node, dsn, replica) for node in "AB"}
        # Goes on when a server is back, however long that takes.
        self.patient = {node: doors.Command(lab, node, dsn, replica, patience=120) for node in "AB"}
        self.php = {node: doors.Php(lab, node) for node in "AB"}
        self.nginx = {name: doors.Nginx(lab, "B", name) for name in doors.Nginx.PORTS}
        self.writers = [self.command["A"], self.php["A"]]
        self.readers = [self.command["B"], self.php["B"], self.nginx["nginx"], self.nginx["nginx without threads"]]
        self.succeeds(self.command["A"].run("schema --create"))
        self.servers = self.start_agents() if self.has_replica else []
        self.stores_in_time(self.command["A"], "images/first", "first")
        self.servers.append(doors.Nginx.start(lab, "B", dsn, replica))
        self.servers += [doors.Php.start(lab, node, dsn, replica) for node in "AB"]
        self.polls = []
        for reader in self.readers + [self.php["A"]]:
            self.becomes(reader, "images/first", "ok", "first", 60)

    def start_agents(self):
        self.succeeds(self.command["A"].run("schema --create-feed"))
        agents = [self.lab.start(node, f"exec {self.command[node].base} agent") for node in "AB"]
        for node in "AB":
            wait("a replica", lambda: self.command[node].run("replica status").kind == "ok", 60)
        return agents

    def stop(self):
        for server in self.servers:
            server.kill()

    def succeeds(self, answer):
        check(answer.kind == "ok", f"failed: {answer.kind}: {answer.text}")
        return answer.text

    def put(self, id, text, writer=None):
        self.succeeds((writer or self.command["A"]).put(id, text))

    def stores_in_time(self, writer, id, text):
        """After a start of the server: it has a grace period, and a client may take a while to notice."""
        wait(f"{writer.name} to store {id}", lambda: writer.put(id, text).kind == "ok", 120)

    def poll(self, door, id):
        self.polls.append(Poll(self, door, id))
        return self.polls[-1]

    def end_polls(self):
        """After a scenario, whatever came of it."""
        for poll in self.polls:
            poll.kill()
        self.polls = []

    def becomes(self, reader, id, kind, text=None, seconds=SOON):
        seen = []

        def right():
            seen.append(reader.get(id))
            return seen[-1].kind == kind and text in (None, seen[-1].text)

        try:
            wait("", right, seconds)
        except Failure:
            raise Failure(f"{reader.name}: {id}: wanted {kind} {text!r}, last saw {seen[-1]}") from None

    def everyone_sees(self, id, kind, text=None, seconds=None):
        """Without `seconds` at once by the command that asks the table, else soon."""
        for reader in self.readers:
            usual = 0 if reader is self.command["B"] and not self.has_replica else SOON
            self.becomes(reader, id, kind, text, usual if seconds is None else seconds)

    def hold_open(self, node, path):
        """A process that has a file open and does not read it."""
        self.lab.run(node, f"test -f {path}", check=True)
        holder = self.lab.start(node, f"exec 3<{path}; echo held; exec sleep 300")
        wait("the file to be open", lambda: "held" in holder.output(), 30)
        return holder

    def open_by_nginx(self, id):
        """How many descriptors of a file the workers have."""
        name = re.escape(f"{MOUNT}/{id}")
        script = f"for worker in $(pgrep -P $(cat /tmp/n/pid)); do ls -l /proc/$worker/fd; done | grep -cE '{name}'; true"
        return int(self.lab.run("B", script, timeout=60).out)
