"""Turns the figures of a run into docs/benchmarks.md and docs/benchmarks.svg.

Only what stands between the markers of the document is written; words around
them are people's. Called as a program, it writes the last whole run once more.
"""

import json
import pathlib
import platform
import re
import subprocess
import sys
from statistics import median

import contestants
import load
import memory
import phpbench
import plot
import replica
import targets
from processes import program
from servers import BUILD, PHP_VERSION, TOP

DOCUMENT = TOP / "docs/benchmarks.md"
DRAWING = TOP / "docs/benchmarks.svg"
MB = 1 << 20


def first_line(*command):
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True, cwd=TOP)
    return (run.stdout + run.stderr).partition("\n")[0].strip()


def found(pattern, text):
    return re.search(pattern, text).group(1)


def versions():
    cpu = found(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    cores = len(re.findall(r"^processor", pathlib.Path("/proc/cpuinfo").read_text(), re.M))
    memory_kb = int(found(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text()))
    number = r"(\d[\w.+-]*)"
    # A change of what was measured since the commit; that of the report itself does not count.
    changed = first_line("git", "status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs", ":!benches")
    return {
        "ezdfs": first_line("git", "describe", "--always") + (" with changes" if changed else ""),
        "Rust": found(number, first_line("rustc", "--version")),
        "nginx": found(number, first_line(program("nginx"), "-v")),
        "PHP": found(number, first_line(program(f"php-fpm{PHP_VERSION}"), "-v")),
        "MariaDB": found(r"Ver " + number, first_line(program("mariadbd"), "--version")),
        "Varnish": found(number, first_line(program("varnishd"), "-V")),
        "wrk": found(number, subprocess.run([program("wrk"), "-v"], capture_output=True, text=True).stdout),
        "Linux": platform.release(),
        "machine": f"{cpu}, {cores} cores, {memory_kb / (1 << 20):.0f} GB",
    }


def table(head, rows, numbers):
    """Markdown; the last `numbers` columns are right-aligned."""
    left = len(head) - numbers
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * left + "--:|" * numbers
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def medians(rounds):
    return {key: median(each[key] for each in rounds) for key in rounds[0]}


def http_table(figures):
    """Throughput and CPU with their ratios to the first contestant, and latencies."""
    middle = {name: medians(rounds) for name, rounds in figures.items()}
    base = next(iter(middle.values()))
    rows = [
        (
            name,
            plot.shown(each["rate"]),
            f"{each['rate'] / base['rate']:.3g}",
            plot.shown(each["cpu"] * 1e6),
            f"{each['cpu'] / base['cpu']:.3g}",
            # wrk knows of whole transfers only, and may have seen none.
            plot.shown(each["p50"] * 1e3) if each["p50"] else "",
            plot.shown(each["p99"] * 1e3) if each["p50"] else "",
        )
        for name, each in middle.items()
    ]
    head = ["", "per second", "ratio", "CPU µs each", "ratio", "median ms", "99 % ms"]
    return table(head, rows, 6)


def php_table(part):
    """Microseconds, and how many times as fast as the first contestant."""
    who = list(dict.fromkeys(name for times in part.values() for name in times))
    rows = []
    for operation, times in part.items():
        middle = {name: median(rounds) for name, rounds in times.items()}
        base = middle[who[0]]
        cells = {name: f"{plot.shown(value)} ({base / value:.3g}×)" for name, value in middle.items()}
        rows.append((operation, plot.shown(base), *(cells.get(name, "") for name in who[1:])))
    return table(["µs", *who], rows, len(who))


def costs_table(part):
    """What operations ask for: database, scheduler and processors."""
    operations = part["statements"]
    rows = [
        (operation, who, *(plot.shown(part[key][operation][who]) for key in phpbench.COSTS))
        for operation, contestants in operations.items()
        for who in contestants
    ]
    return table(["", "", *phpbench.COSTS.values()], rows, len(phpbench.COSTS))


def memory_table(part):
    base = part[memory.STATIC]
    rows = []
    for name in (memory.STATIC, memory.CACHE_OFF, memory.EZDFS):
        each = part[name]
        added = [f"{(each[key] - base[key]) / MB:+.1f}" for key in ("resident", "own")]
        rows.append((name, f"{each['resident'] / MB:.1f}", added[0], f"{each['own'] / MB:.1f}", added[1]))
    return table(["MB", "resident", "added", "of that anonymous", "added"], rows, 4)


def statements_table(part):
    rows = [(name, f"{each['all']:,.0f}", f"{each['agent']:,.0f}") for name, each in part.items()]
    return table(["", "statements", "of the agent, in as much time"], rows, 2)


def sections(results):
    yield "### Targets\n"
    yield from table(["what", "target", "measured", ""], targets.rows(results), 2)
    for key, figures in results["http"].items():
        yield f"\n### {load.LOADS[key].title}\n"
        yield from http_table(figures)
    if "statements" in results:
        yield f"\n### Statements for {replica.REQUESTS:,} requests, {replica.PICTURES:,} files, caches cold\n"
        yield from statements_table(results["statements"])
    for part, title in (
        ("php", "PHP, in a process that goes on"),
        ("php-latency", "The same with 0.5 ms for each call of the file system"),
        ("first-use", "PHP, first operation of a request"),
    ):
        if part in results:
            yield f"\n### {title}\n"
            yield from php_table(results[part])
    if "php-costs" in results:
        yield "\n### What the operations of that process ask for\n"
        yield from costs_table(results["php-costs"])
    if "memory" in results:
        part = results["memory"]
        yield f"\n### Memory of an nginx worker after {part['names']:,} names\n"
        yield from memory_table(part)
        yield f"\nAsked for once more, {part['kept']:,} of the names were not looked up in the table again."
    if "ways-in" in results:
        yield "\n### Two ways in from an event loop, caches off\n"
        middle = {name: medians(rounds) for name, rounds in results["ways-in"].items()}
        rows = [(name, plot.shown(each["rate"]), plot.shown(each["cpu"] * 1e6)) for name, each in middle.items()]
        yield from table(["", "look-ups per second", "CPU µs each, database not counted"], rows, 2)
    if "core" in results:
        yield "\n### The core's hot functions\n"
        rows = [(name, plot.shown(value)) for name, value in results["core"].items()]
        yield from table(["", "ns"], rows, 1)
    yield "\n### Measured with\n"
    yield from table(["", ""], results["versions"].items(), 0)
    if "seconds" in results:
        yield f"\nThe run took {results['seconds'] / 60:.0f} minutes."


def text(results):
    return "\n".join(sections(results)) + "\n"


def about():
    """Who the contestants are."""
    return "\n".join(table(["contestant", "what it is"], contestants.ABOUT.items(), 0)) + "\n"


def fill_in(name, content):
    """Replaces what stands between a pair of markers."""
    begin, end = f"<!-- {name}: generated, do not edit -->", f"<!-- end of {name} -->"
    before, rest = DOCUMENT.read_text().split(begin)
    _, after = rest.split(end)
    DOCUMENT.write_text(f"{before}{begin}\n\n{content}\n{end}{after}")


def draw(results):
    """Beside each other: throughput, and what it costs."""
    panels = []
    for key, figures in results["http"].items():
        middle = {name.replace("persistent connections", "persistent"): medians(each) for name, each in figures.items()}
        title = load.LOADS[key].title
        panels.append((title, [(name, each["rate"]) for name, each in middle.items()]))
        panels.append(("CPU µs each", [(name, each["cpu"] * 1e6) for name, each in middle.items()]))
    return plot.svg("Left: per second, more is better. Right: CPU time of the servers, less is better.", panels)


def write(results):
    fill_in("contestants", about())
    fill_in("results", text(results))
    if results["http"]:
        DRAWING.write_text(draw(results))


if __name__ == "__main__":
    saved = BUILD / "bench/results.json"
    if not saved.exists():
        sys.exit("no run has left its results: make bench")
    write(json.loads(saved.read_text()))
