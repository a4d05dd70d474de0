#!/usr/bin/env python3
"""Measures ezdfs against what it replaces, everything on this machine.

Contestants take turns in one run; figures are medians over the rounds, and
ratios of those. Needs wrk and what `make build` leaves in build/.
"""

import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = 5
SECONDS = 2
CONNECTIONS = 32
TOP = pathlib.Path(__file__).resolve().parent.parent
BUILD = TOP / "build"
PICTURE = "var/site/storage/images/1/2/3/4/4321-1-eng-GB/picture.jpg"

NGINX = """
load_module {build}/ngx_http_ezdfs_module.so;
{user}
daemon off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    keepalive_requests 1000000000;
    client_body_temp_path {dir}/tmp; proxy_temp_path {dir}/tmp; fastcgi_temp_path {dir}/tmp;
    uwsgi_temp_path {dir}/tmp; scgi_temp_path {dir}/tmp;
    ezdfs_store cached {{ dsn {dsn}; root {root}; }}
    ezdfs_store uncached {{ dsn {dsn}; root {root}; cache_ttl 0; }}
    server {{ listen 127.0.0.1:{ports[0]}; root {root}; }}
    server {{ listen 127.0.0.1:{ports[1]}; root {root}; open_file_cache max=1000; }}
    server {{ listen 127.0.0.1:{ports[2]}; location / {{ ezdfs cached; }} }}
    server {{ listen 127.0.0.1:{ports[3]}; location / {{ ezdfs uncached; }} }}
}}
"""
CONTESTANTS = ["nginx root", "nginx root, open_file_cache", "ezdfs", "ezdfs, cache off"]


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def cpu_seconds(pids):
    ticks = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def children(pid):
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def wrk(port, pids):
    """Requests a second, and CPU microseconds of the server for one request."""
    before = cpu_seconds(pids)
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", f"http://127.0.0.1:{port}/{PICTURE}"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        sys.exit(f"wrk saw errors:\n{text}")
    requests = int(next(line.split()[0] for line in text.splitlines() if " requests in " in line))
    rate = float(next(line.split()[1] for line in text.splitlines() if "Requests/sec" in line))
    return rate, (cpu_seconds(pids) - before) * 1e6 / requests


def table(title, names, rounds):
    """Prints medians, and ratios to the first row."""
    medians = [[statistics.median(column) for column in zip(*rows)] for rows in rounds]
    print(f"\n{title}\n")
    print(f"| {'':28} |    per second | ratio | CPU µs each | ratio |")
    print(f"|{'-' * 30}|--------------:|------:|------------:|------:|")
    for name, (rate, cpu) in zip(names, medians):
        ratios = rate / medians[0][0], cpu / medians[0][1]
        print(f"| {name:28} | {rate:13,.0f} | {ratios[0]:5.2f} | {cpu:11.2f} | {ratios[1]:5.2f} |")


def serving(directory, dsn, root):
    ports = free_ports(len(CONTESTANTS))
    configuration = directory / "nginx.conf"
    user = "user root;" if os.getuid() == 0 else ""
    configuration.write_text(
        NGINX.format(build=BUILD, user=user, dir=directory, dsn=dsn, root=root, ports=ports)
    )
    nginx = subprocess.Popen([shutil.which("nginx") or "/usr/sbin/nginx", "-p", directory, "-c", configuration])
    try:
        while not (directory / "nginx.pid").exists() or not children(nginx.pid):
            if nginx.poll() is not None:
                sys.exit((directory / "error.log").read_text())
            time.sleep(0.1)
        workers = children(nginx.pid)
        rounds = [[] for _ in CONTESTANTS]
        for _ in range(ROUNDS):
            for results, port in zip(rounds, ports):
                results.append(wrk(port, workers))
        table(f"A 20 KB picture, {CONNECTIONS} connections, one worker, local disk, SQLite", CONTESTANTS, rounds)
    finally:
        nginx.send_signal(signal.SIGTERM)
        nginx.wait()


def ways_in(directory, dsn, root):
    program = directory / "ways_in"
    sources = [TOP / "benches/ways_in.c", BUILD / "libezdfs.a"]
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-I", TOP / "include", "-lpthread", "-ldl", "-lm"]
    subprocess.run(["cc", "-o", program, *sources, *flags], check=True)
    output = subprocess.run([program, dsn, root, PICTURE], check=True, capture_output=True, text=True).stdout
    rounds = {"threads": [], "queue": []}
    for name, rate, cpu in map(str.split, output.splitlines()):
        rounds[name].append((float(rate), float(cpu)))
    names = ["32 blocking threads", "completion queue"]
    table("Two ways in from an event loop, cache off", names, list(rounds.values()))


def main():
    with tempfile.TemporaryDirectory(prefix="ezdfs-bench-") as name:
        directory = pathlib.Path(name)
        root = directory / "root"
        (directory / "tmp").mkdir()
        picture = root / PICTURE
        picture.parent.mkdir(parents=True)
        picture.write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF\0" + os.urandom(20_000))
        os.chmod(directory, 0o755)
        dsn = f"sqlite:{directory}/db.sqlite"
        for command in (["schema", "--create"], ["import", root]):
            subprocess.run([BUILD / "ezdfs", "--dsn", dsn, "--root", root, *command], check=True)
        serving(directory, dsn, root)
        ways_in(directory, dsn, root)


if __name__ == "__main__":
    main()
