"""Processes that end with this one, and what they cost."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PREFIX = "ezdfs-bench-"
# Where in the run's directory a file system may be mounted.
MOUNT = "slow"
PATIENCE = 60
TICKS = os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def scratch():
    """A directory for everything that this run writes. Removes those of runs that were killed, too."""
    parent = pathlib.Path(tempfile.gettempdir())
    for entry in parent.glob(PREFIX + "*"):
        pid = entry.name.removeprefix(PREFIX)
        if pid.isdigit() and not pathlib.Path(f"/proc/{pid}").exists():
            unmount(entry / MOUNT)
            shutil.rmtree(entry, ignore_errors=True)
    directory = parent / f"{PREFIX}{os.getpid()}"
    directory.mkdir(mode=0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def unmount(at):
    """A mount whose program has ended looks like no mount: it is simply tried."""
    subprocess.run(["umount", "--lazy", at], stderr=subprocess.DEVNULL, check=False)


def program(name):
    """Finds a program, also where a plain user's PATH does not look."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    found = shutil.which(name, path=path)
    if not found:
        raise SystemExit(f"{name} is not installed: run tests/deps.sh bench")
    return found


def free_port():
    """Below the range of outgoing connections, so that no client takes it before its server does."""
    for port in range(20000 + os.getpid() * 61 % 10000 + free_port.used, 32000):
        free_port.used += 1
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise SystemExit("no free loopback port")


free_port.used = 0


def wait_for(what, ready, alive=lambda: True):
    end = time.monotonic() + PATIENCE
    while not ready():
        if not alive():
            raise RuntimeError(f"{what} ended")
        if time.monotonic() > end:
            raise RuntimeError(f"waited {PATIENCE} s in vain for {what}")
        time.sleep(0.02)


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Daemon:
    """A server process. The kernel ends it when this process dies."""

    def __init__(self, name, command, log, ready, stop=signal.SIGTERM, env=None):
        self.name = name
        self.log = pathlib.Path(log)
        self.stop_signal = stop
        dying = signal.Signals(stop).name.removeprefix("SIG")
        # A session of its own: Ctrl-C is for this process, which ends the others in order.
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", dying, "--", *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**os.environ, **(env or {})},
            )
        self.pid = self.process.pid
        try:
            wait_for(name, ready, lambda: self.process.poll() is None)
        except BaseException as error:
            self.stop()
            if isinstance(error, RuntimeError):
                raise SystemExit(f"{error}\n{self.log.read_text(errors='replace')[-4000:]}") from None
            raise

    def stop(self):
        if self.process.poll() is not None:
            return
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def children(pid):
    """Direct children, of whichever thread."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except OSError:
            continue
    return found


def tree(pid):
    found = [pid]
    for each in found:
        found += children(each)
    return found


def cpu_seconds(pids):
    """User and system time of these processes and all below them, reaped ones included."""
    ticks = 0
    for root in pids:
        for pid in tree(root):
            try:
                stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
            except OSError:
                continue
            # utime, stime, cutime, cstime; the name before them may hold anything.
            ticks += sum(map(int, stat.rsplit(") ", 1)[1].split()[11:15]))
    return ticks / TICKS


def memory(pid):
    """Resident bytes of one process: all, and those that are its own."""
    fields = {}
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(("VmRSS", "RssAnon")):
            key, value = line.split(":")
            fields[key] = int(value.split()[0]) * 1024
    return fields["VmRSS"], fields["RssAnon"]


def most_resident(pid):
    """kB that a process has had resident at most; None when it has ended."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    peaks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(peaks[0]) if peaks else None
