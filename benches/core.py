"""The hot functions of the core: what `cargo bench` finds, in short."""

import json
import os
import subprocess

from servers import TOP

SHORT = ["--warm-up-time", "0.5", "--measurement-time", "1.5", "--noplot", "--quiet"]


def measure(say):
    """Nanoseconds of each function, as criterion's median."""
    say("core: cargo bench")
    target = TOP / os.environ.get("CARGO_TARGET_DIR", "target")
    saved = target / "criterion"
    baseline = ["--save-baseline", "report"]
    command = [os.environ.get("CARGO", "cargo"), "bench", "--locked", "--bench", "core", "--", *SHORT, *baseline]
    subprocess.run(command, cwd=TOP, check=True, stdout=subprocess.DEVNULL)
    figures = {}
    for file in saved.glob("*/report/benchmark.json"):
        name = json.loads(file.read_text())["title"]
        estimates = json.loads((file.parent / "estimates.json").read_text())
        figures[name] = estimates["median"]["point_estimate"]
    return dict(sorted(figures.items(), key=lambda each: each[1]))
