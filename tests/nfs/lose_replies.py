"""Runs on the server, as root: carries calls out and lets nobody hear of it. Ends, cut off from the clients, when a
call of this kind has been carried out on the names of a directory.

    lose_replies.py RENAME|LINK|CREATE|REMOVE /srv/export/images
"""

import ctypes
import os
import struct
import subprocess
import sys

LINKS = ["eth1", "eth2"]
# Answers are on their way for so long: nobody has had one before the line is cut.
DELAY = "400ms"

IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x80, 0x100, 0x200
KINDS = {
    "RENAME": (IN_MOVED_TO, lambda name: not name.startswith(".")),
    "LINK": (IN_CREATE, lambda name: name.startswith(".ezdfs-old-")),
    "CREATE": (IN_CREATE, lambda name: name.startswith(".ezdfs-stage-")),
    "REMOVE": (IN_DELETE, lambda name: name.startswith(".ezdfs-old-")),
}


def watch(directory, mask):
    """Names in a directory to which something happens."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(0)
    if descriptor < 0 or libc.inotify_add_watch(descriptor, directory.encode(), mask) < 0:
        raise OSError(ctypes.get_errno(), "cannot watch", directory)
    while True:
        events = os.read(descriptor, 65536)
        while events:
            _, _, _, length = struct.unpack_from("iIII", events)
            yield events[16 : 16 + length].rstrip(b"\0").decode()
            events = events[16 + length :]


def main():
    kind, directory = sys.argv[1:]
    mask, is_meant = KINDS[kind]
    names = watch(directory, mask)
    for link in LINKS:
        subprocess.run(["tc", "qdisc", "replace", "dev", link, "root", "netem", "delay", DELAY], check=True)
    # Started beforehand: a guest takes long to start a program.
    ip = subprocess.Popen(["ip", "-batch", "-"], stdin=subprocess.PIPE, text=True)
    name = next(name for name in names if is_meant(name))
    # What waits to be sent is thrown away with it.
    ip.communicate("".join(f"link set {link} down\n" for link in LINKS))
    print(f"{kind} {name}")


if __name__ == "__main__":
    main()
