"""Resident memory that the module adds to an nginx worker."""

import load
from servers import MODULE, Nginx

STATIC = "nginx static"
CACHE_OFF = "ezdfs, cache_size 0"
EZDFS = "ezdfs"


def touch(port, requests):
    """Asks for each file once."""
    seen = load.wrk(port, requests, once=True, seconds=120)
    if seen["broken"] or seen["refused"]:
        raise SystemExit(f"memory: wrk saw errors: {seen}")


def measure(directory, root, database, paths, say):
    """Bytes of a worker that has answered for all of these files."""

    def store(options):
        # So long that what is cached stays so until it is counted.
        return f"ezdfs_store main {{ dsn {database.url}; root {root}; cache_ttl 1h; {options} }}"

    ezdfs = "location / { ezdfs main; }"
    contestants = {
        STATIC: dict(server=f"root {root};"),
        CACHE_OFF: dict(server=ezdfs, http=store("cache_size 0;"), module=MODULE),
        EZDFS: dict(server=ezdfs, http=store(""), module=MODULE),
    }
    requests = directory / "memory.list"
    requests.write_text("".join(f"/{path}\n" for path in paths))
    results = {}
    for number, (name, conf) in enumerate(contestants.items()):
        say(f"memory: {len(paths):,} names asked of {name}")
        nginx = Nginx(directory / f"nginx-memory-{number}", **conf)
        try:
            before = database.look_ups()
            touch(nginx.port, requests)
            resident, own = nginx.memory()
            between = database.look_ups()
            touch(nginx.port, requests)
            again = database.look_ups() - between
            results[name] = {"resident": resident, "own": own, "first": between - before, "again": again}
        finally:
            nginx.stop()
    if results[EZDFS]["first"] < 0.9 * len(paths):
        raise SystemExit(f"memory: only {results[EZDFS]['first']} rows were looked up for {len(paths)} names")
    results["names"] = len(paths)
    results["kept"] = max(0, len(paths) - results[EZDFS]["again"])
    return results
