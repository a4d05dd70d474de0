"""The two ways in from an event loop: see ways_in.c."""

import subprocess

from servers import BUILD, TOP

NAMES = {"threads": "32 blocking threads", "queue": "completion queue"}


def measure(directory, url, root, identifier, say):
    say("two ways in from an event loop")
    built = directory / "ways_in"
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-I", TOP / "include", "-lpthread", "-ldl", "-lm"]
    subprocess.run(["cc", "-o", built, TOP / "benches/ways_in.c", BUILD / "libezdfs.a", *flags], check=True)
    command = [built, url, root, identifier]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    figures = {name: [] for name in NAMES.values()}
    for name, rate, cpu in map(str.split, output.splitlines()):
        figures[NAMES[name]].append({"rate": float(rate), "cpu": float(cpu) / 1e6})
    return figures
