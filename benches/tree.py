"""The files that the loads ask for, and their rows."""

import os
import random
import subprocess

from servers import BUILD

STORAGE = "var/site/storage/images"
KB = 1 << 10
MB = 1 << 20
SMALL_FILES = 20_000
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0"
# Equal for all files, so that one validator fits a whole set.
MTIME = 1_700_000_000


def kernel_path(number):
    """Where the kernels put the picture of a content object."""
    folders = "/".join(reversed(f"{number:04}"))
    return f"{STORAGE}/{folders}/{number}-1-eng-GB/picture.jpg"


class FileSet:
    def __init__(self, paths, size):
        self.paths = paths
        self.size = size


def file_sets(scan_files):
    return {
        "hot": FileSet([kernel_path(number) for number in range(1000, 1100)], 20 * KB),
        "mix": FileSet([kernel_path(number) for number in range(2000, 3000)], 20 * KB),
        "small": FileSet([f"{STORAGE}/_small/{i // 100}/{i}.jpg" for i in range(SMALL_FILES)], 4 * KB),
        "scan": FileSet([f"{STORAGE}/_scan/{i // 100}/{i}.jpg" for i in range(scan_files)], 4 * KB),
        "2mb": FileSet([kernel_path(number) for number in range(3000, 3010)], 2 * MB),
        "50mb": FileSet([kernel_path(number) for number in range(4000, 4002)], 50 * MB),
    }


def contents(size, seed=0):
    """Bytes that begin like a JPEG picture and do not compress."""
    return JPEG + random.Random(seed).randbytes(size - len(JPEG))


def make(root, sets):
    """Writes the files."""
    for each in sets:
        body = contents(each.size)
        for parent in {os.path.dirname(path) for path in each.paths}:
            os.makedirs(f"{root}/{parent}", exist_ok=True)
        for path in each.paths:
            with open(f"{root}/{path}", "wb", buffering=0) as file:
                file.write(body)
            os.utime(f"{root}/{path}", (MTIME, MTIME))


def ezdfs(url, root, *arguments):
    command = [BUILD / "ezdfs", "--dsn", url, "--root", root, *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def register(url, root):
    """Makes the table, and a row for each file."""
    ezdfs(url, root, "schema", "--create")
    ezdfs(url, root, "import", root)
