#!/usr/bin/env python3
"""Plays consistency scenarios on the real Linux NFS client.

EZDFS_NFS_LAB names the folder of a lab that offers `lab.Lab`: one NFS server
and two client nodes, A and B, which run this machine's own programs. Node B
serves by nginx with the module, node A writes by the command; the table is in
a private MariaDB on this machine. Without the variable nothing is run.

    EZDFS_NFS_LAB=/path make test-nfs
"""

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = TOP / "build"
MOUNT = "/mnt/nfs"
TTL = 1
SETUPS = [
    ("NFS 4.2", dict(version="4.2")),
    ("NFS 4.2, no delegations", dict(version="4.2", delegations=False)),
    ("NFS 3", dict(version="3")),
]

NGINX = """
load_module {build}/ngx_http_ezdfs_module.so;
user root; daemon off; worker_processes 1; pid /tmp/n/pid; error_log /tmp/n/error.log info;
events {{}}
http {{
    access_log off;
    client_body_temp_path /tmp/n/t; proxy_temp_path /tmp/n/t; fastcgi_temp_path /tmp/n/t;
    uwsgi_temp_path /tmp/n/t; scgi_temp_path /tmp/n/t;
    ezdfs_store main {{ dsn {dsn}; root {mount}; cache_ttl {ttl}s; cache_negative_ttl {ttl}s; mount_timeout 3s; }}
    server {{
        listen 127.0.0.1:8080;
        location /images/ {{ ezdfs main; }}
        location = /local {{ return 200 here; }}
    }}
}}
"""


class Failure(Exception):
    pass


def check(truth, text):
    if not truth:
        raise Failure(text)


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


def wait(what, ready, seconds):
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise Failure(f"waited {seconds} s in vain for {what}")
        time.sleep(0.2)


class Cluster:
    """The lab with a store on it."""

    def __init__(self, lab, database, host):
        self.lab = lab
        self.database = database
        self.options = f"EZDFS_ROOT={MOUNT} EZDFS_DSN='{database.dsn(host)}'"
        database.sql("DROP TABLE IF EXISTS ezdfs.ezdfsfile")
        self.run("A", "schema --create")
        self.run("A", "put images/first -", stdin="first")
        configuration = NGINX.format(build=BUILD, dsn=database.dsn(host), mount=MOUNT, ttl=TTL)
        lab.run("B", "mkdir -p /tmp/n/t", check=True)
        lab.put("B", "/tmp/n/nginx.conf", configuration.encode())
        self.nginx = lab.start("B", f"{shutil.which('nginx') or '/usr/sbin/nginx'} -p /tmp/n -c /tmp/n/nginx.conf -e stderr")
        wait("nginx on B", lambda: self.get("local")[0] == 200, 60)

    def run(self, node, arguments, code=0, stdin="", timeout=60):
        """The command on a node; its output."""
        result = self.lab.run(node, f"{self.options} {BUILD}/ezdfs {arguments}", stdin=stdin, timeout=timeout)
        check(result.rc == code, f"{node}: ezdfs {arguments}: exit code {result.rc}, not {code}: {result.out}")
        return result.out

    def get(self, path, timeout=20):
        """Status and body of a request to nginx on B."""
        command = f"curl -s -m {timeout} -o /tmp/body -w '%{{http_code}}' http://127.0.0.1:8080/{path}; echo; cat /tmp/body"
        result = self.lab.run("B", f"rm -f /tmp/body; {command}", timeout=timeout + 10)
        status, _, body = result.out.partition("\n")
        return int(status or 0), body

    def becomes(self, path, status, body=None, seconds=20):
        """Waits until B answers so. The bound is generous: guests are slow."""
        seen = []

        def right():
            seen.append(self.get(path))
            return seen[-1][0] == status and body in (None, seen[-1][1])

        try:
            wait("", right, seconds)
        except Failure:
            raise Failure(f"{path}: wanted {status} {body!r}, last saw {seen[-1]}") from None


def visible_after_a_probe(cluster):
    """B has looked for the name in vain, so its client remembers that it is not there."""
    cluster.lab.run("B", f"ls -l {MOUNT}/images/probed; stat {MOUNT}/images/probed")
    check(cluster.get("images/probed")[0] == 404, "404 before it is there")
    cluster.run("A", "put images/probed -", stdin="now")
    cluster.becomes("images/probed", 200, "now", 10)


def overwritten_while_held_open(cluster):
    """A process on B holds the old file open, which on NFS 4.2 makes open() of the name stale."""
    cluster.run("A", "put images/held -", stdin="old")
    cluster.becomes("images/held", 200, "old")
    holder = cluster.lab.start("B", f"exec 3<{MOUNT}/images/held; sleep 60")
    cluster.lab.run("B", "sleep 1")
    cluster.run("A", "put images/held -", stdin="newer")
    cluster.becomes("images/held", 200, "newer", 10)
    check("newer" in cluster.run("B", "get images/held"), "the command on B reads the new file")
    holder.kill()


def deleted_while_held_open(cluster):
    cluster.run("A", "put images/gone -", stdin="here")
    cluster.becomes("images/gone", 200, "here")
    holder = cluster.lab.start("B", f"exec 3<{MOUNT}/images/gone; sleep 60")
    cluster.lab.run("B", "sleep 1")
    cluster.run("A", "rm images/gone")
    cluster.becomes("images/gone", 404, seconds=10)
    cluster.run("B", "get images/gone", code=1)
    holder.kill()


def whole_files_only(cluster):
    """A overwrites by turns, B reads: every read is one of the two, entirely."""
    ezdfs = f"{cluster.options} {BUILD}/ezdfs"
    sizes = {"a": 300_000, "b": 200_000}
    for letter, size in sizes.items():
        make = f"head -c {size} /dev/zero | tr '\\0' {letter} > /tmp/{letter}"
        cluster.lab.run("A", f"{make} && {ezdfs} put images/turns /tmp/{letter}", check=True, timeout=60)
    each = " && ".join(f"{ezdfs} put images/turns /tmp/{letter}" for letter in sizes)
    writer = cluster.lab.start("A", f"for round in 1 2 3 4 5 6 7 8 9 10; do {each} || exit 1; done")
    reads = 0
    while not writer.poll():
        # The file's length, and its letters with repetitions squeezed out.
        read = f"{ezdfs} get images/turns > /tmp/read && wc -c < /tmp/read && tr -s ab < /tmp/read"
        out = cluster.lab.run("B", read, timeout=60).out.split()
        check(out in [[str(size), letter] for letter, size in sizes.items()], f"torn read: {out}")
        reads += 1
    result = writer.wait(60)
    check(result.rc == 0, f"the writer ended with {result.rc}: {result.out}")
    check(reads > 0, "nothing was read while it wrote")


def no_mount(cluster):
    """An empty mount point: everything refuses, nothing is deleted, no 404."""
    cluster.becomes("images/first", 200, "first")
    rows = cluster.database.sql("SELECT COUNT(*) FROM ezdfs.ezdfsfile")
    cluster.lab.umount("B", lazy=True)
    cluster.becomes("images/first", 503)
    cluster.run("B", "put images/lost -", code=3, stdin="x")
    cluster.run("B", "rm images/first", code=3)
    cluster.run("B", "rm -r images", code=3)
    check(cluster.database.sql("SELECT COUNT(*) FROM ezdfs.ezdfsfile") == rows, "no row was deleted")
    cluster.lab.mount("B")
    cluster.becomes("images/first", 200, "first")


def frozen_server(cluster):
    """Requests end at their deadline, others are served, and it recovers by itself."""
    cluster.becomes("images/first", 200, "first")
    cluster.lab.drop_caches("B")
    cluster.lab.hang()
    try:
        check(cluster.get("images/first", 30)[0] == 503, "503 at the deadline")
        check(cluster.get("local")[0] == 200, "the worker serves other requests")
    finally:
        cluster.lab.resume()
    cluster.becomes("images/first", 200, "first", 60)


def full_disk(cluster):
    cluster.run("A", "put images/kept -", stdin="kept")
    cluster.lab.run("S", "fallocate -l $(df -B1 --output=avail /srv/export | tail -1) /srv/export/.full || "
                    "dd if=/dev/zero of=/srv/export/.full bs=1M; dd if=/dev/zero of=/srv/export/.more bs=4k; true", timeout=120)
    try:
        cluster.lab.run("A", "head -c 3000000 /dev/zero > /tmp/big")
        cluster.run("A", "put images/kept /tmp/big", code=5, timeout=120)
    finally:
        cluster.lab.run("S", "rm -f /srv/export/.full /srv/export/.more", check=True)
    cluster.becomes("images/kept", 200, "kept")
    left = cluster.lab.run("A", f"find {MOUNT} -name '.ezdfs-*'").out
    check(left == "", f"staging files are left: {left}")
    cluster.run("A", "put images/kept -", stdin="again")
    cluster.becomes("images/kept", 200, "again", 10)


def rebooted_server(cluster):
    cluster.run("A", "put images/before -", stdin="before")
    cluster.lab.reboot("S", hard=True)
    cluster.run("A", "put images/after -", stdin="after", timeout=180)
    cluster.becomes("images/before", 200, "before", 120)
    cluster.becomes("images/after", 200, "after", 60)


SCENARIOS = [
    visible_after_a_probe,
    overwritten_while_held_open,
    deleted_while_held_open,
    whole_files_only,
    no_mount,
    full_disk,
    frozen_server,
    rebooted_server,
]


def main():
    folder = os.environ.get("EZDFS_NFS_LAB")
    if not folder:
        print("skipped: EZDFS_NFS_LAB names no NFS lab")
        return 0
    sys.path.insert(0, folder)
    from lab import HOST, Lab

    wanted = sys.argv[1:]
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="ezdfs-nfs-") as name:
        directory = pathlib.Path(name)
        os.environ.setdefault("NFSLAB_DIR", str(directory / "lab"))
        database = MariaDb(directory)
        try:
            for title, setup in SETUPS:
                with Lab(**setup) as lab:
                    cluster = Cluster(lab, database, HOST)
                    for scenario in SCENARIOS:
                        if wanted and scenario.__name__ not in wanted:
                            continue
                        label = f"{title}: {scenario.__name__}"
                        try:
                            scenario(cluster)
                            passed += 1
                            print(f"ok      {label}", flush=True)
                        except Failure as failure:
                            failed += 1
                            print(f"FAILED  {label}: {failure}", flush=True)
                        except Exception:
                            failed += 1
                            print(f"FAILED  {label}\n{traceback.format_exc()}", flush=True)
                    cluster.nginx.kill()
        finally:
            database.stop()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
