"""What the project wants to reach, and what a run has reached."""

import contestants
import memory
import phpbench
import replica
from statistics import median

MB = 1 << 20
ENTRIES = 100_000
PLAIN = phpbench.WHO["plain"]
EZDFS = phpbench.WHO["ezdfs"]
REPLICA = phpbench.WHO["replica"]
UNCACHED = phpbench.WHO["uncached"]


def of_rounds(rounds, key):
    return median(each[key] for each in rounds)


def http(load, key, over, under):
    """The ratio of two contestants' medians."""

    def ratio(results):
        figures = results["http"][load]
        return of_rounds(figures[over], key) / of_rounds(figures[under], key)

    return ratio


def times_faster(part, operation, slow, fast):
    def ratio(results):
        figures = results[part][operation]
        return median(figures[slow]) / median(figures[fast])

    return ratio


def microseconds(part, operation, who):
    return lambda results: median(results[part][operation][who])


def statements_left(results):
    """Beside those of the agent."""
    counts = results["statements"][replica.WITH]
    return counts["all"] - counts["agent"]


class NotMeasured(Exception):
    """Why a run says nothing about a target."""


def added_memory(results):
    figures = results["memory"]
    if figures["kept"] < 0.99 * ENTRIES:
        raise NotMeasured(f"not measured: {figures['kept']:,} of {figures['names']:,} names were kept")
    return (figures[memory.EZDFS]["resident"] - figures[memory.STATIC]["resident"]) / MB


# What, at most or at least, how much, unit, how it is computed.
TARGETS = [
    ("hot 20 KB picture, CPU per request, against nginx static", "at most", 1.00, "",
     http("hot", "cpu", contestants.EZDFS, contestants.STATIC)),
    ("the same with 0.5 ms for each file-system call, throughput", "at least", 5, "×",
     http("latency", "rate", contestants.EZDFS, contestants.STATIC)),
    ("hot 20 KB picture, throughput, against the lean PHP script", "at least", 25, "×",
     http("hot", "rate", contestants.EZDFS, contestants.PHP)),
    ("the same with caches off, against PHP with persistent connections", "at least", 5, "×",
     http("hot", "rate", contestants.UNCACHED, contestants.PERSISTENT)),
    ("with a replica: 10,000 files of 4 KB, hot, CPU per request, against nginx static", "at most", 0.90, "",
     http("hot-10000", "cpu", contestants.REPLICA, contestants.STATIC)),
    ("20,000 files, each asked for once in half a minute, CPU per request", "at most", 0.90, "",
     http("spread", "cpu", contestants.REPLICA, contestants.STATIC)),
    ("4 KB files, each once, caches cold, CPU per request", "at most", 1.6, "",
     http("scan", "cpu", contestants.REPLICA, contestants.STATIC)),
    ("404, CPU per request", "at most", 1.00, "",
     http("404", "cpu", contestants.REPLICA, contestants.STATIC)),
    ("statements for 100,000 requests, beside the agent's", "at most", 10, "", statements_left),
    ("PHP `load()`, first use in a request, with a replica", "at most", 8, " µs",
     microseconds("first-use", "load", REPLICA)),
    ("PHP `load()`, in a process that goes on, with a replica", "at most", 2, " µs",
     microseconds("php", "load", REPLICA)),
    ("PHP `load()`, cached, against bare PDO", "at least", 50, "×",
     times_faster("php", "load", PLAIN, EZDFS)),
    ("PHP `load()`, uncached, against bare PDO", "at least", 1, "×",
     times_faster("php", "load", PLAIN, UNCACHED)),
    ("PHP `load()`, first use in a request, against PDO connect and query", "at least", 10, "×",
     times_faster("first-use", "load", PLAIN, EZDFS)),
    ("PHP `create()` of 20 KB, `durability rename`, against PDO upsert and `file_put_contents()`", "at least", 1, "×",
     times_faster("php", "create", PLAIN, EZDFS)),
    ("`deleteDirectory()` of 1,000 files in 1,000 folders, against `LIKE` and recursive `unlink()`", "at least", 4, "×",
     times_faster("php", "deleteDirectory, 1,000 folders", PLAIN, EZDFS)),
    ("the same in one folder", "at least", 2, "×",
     times_faster("php", "deleteDirectory, one folder", PLAIN, EZDFS)),
    ("resident memory that the module adds to a worker, 100,000 cached entries", "at most", 24, " MB",
     added_memory),
]  # fmt: skip


def rows(results):
    """What, target, measured, verdict, as text."""
    for what, direction, limit, unit, compute in TARGETS:
        target = f"{direction} {limit:g}{unit}" if unit else f"{direction} {limit:.2f}"
        try:
            value = compute(results)
        except KeyError:
            yield what, target, "", "not measured"
            continue
        except NotMeasured as reason:
            yield what, target, "", str(reason)
            continue
        met = value <= limit if direction == "at most" else value >= limit
        yield what, target, f"{value:.2f}{unit}", "met" if met else "**missed**"
