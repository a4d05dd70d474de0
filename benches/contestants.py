"""Who is measured: servers that answer the same URLs with the same files."""

from servers import DESCRIPTORS, MODULE, Fpm, Nginx, Varnish

# Connections and logs need some, too.
CACHED_FILES = min(DESCRIPTORS // 2, 10_000)
STATIC = "nginx static"
OPEN_FILE_CACHE = "nginx static, open_file_cache"
EZDFS = "ezdfs"
REPLICA = "ezdfs with a replica"
UNCACHED = "ezdfs, cache_ttl 0"
PHP = "PHP"
PERSISTENT = "PHP, persistent connections"
VARNISH = "Varnish before PHP"
ALL = [STATIC, OPEN_FILE_CACHE, EZDFS, REPLICA, UNCACHED, PHP, PERSISTENT, VARNISH]
# Those between whom less than a factor of two has to be told.
NEAR = [STATIC, OPEN_FILE_CACHE, EZDFS, REPLICA]
# As much as the largest set of files takes.
LARGE = "cache_files 32768; cache_content 256m;"
# One sentence each, for the report.
ABOUT = {
    STATIC: "`root`; knows nothing of the table",
    OPEN_FILE_CACHE: f"the same with `open_file_cache max={CACHED_FILES}`, other settings at their defaults",
    EZDFS: "`ezdfs main;`, all options at their defaults",
    REPLICA: f"the same with `replica`, and `{LARGE}`; its agent runs during the whole run, and counts as one that serves",
    UNCACHED: "`ezdfs main;` with `cache_ttl 0`: a query and an open for each request",
    PHP: "[`lean.php`](../benches/php/lean.php) through php-fpm: connect, one query, `fpassthru()`",
    PERSISTENT: "the same with `PDO::ATTR_PERSISTENT`",
    VARNISH: "Varnish with its default parameters, 1 GB of memory, before \"PHP\"",
}


class Fleet:
    """All contestants over one root. Each has its own nginx."""

    def __init__(self, directory, root, database, agent, stack):
        directory.mkdir()
        self.members = {}

        def member(name, server):
            stack.callback(server.stop)
            self.members[name] = server
            return server

        def nginx(name, server, **more):
            place = directory / f"nginx-{len(self.members)}"
            return member(name, Nginx(place, server, **more))

        def store(options):
            return f"ezdfs_store main {{ dsn {database.url}; root {root}; {options} }}"

        nginx(STATIC, f"root {root};")
        nginx(OPEN_FILE_CACHE, f"root {root}; open_file_cache max={CACHED_FILES};")
        for name, options, backends in (
            (EZDFS, "", [database.pid]),
            (REPLICA, f"replica {agent.replica}; {LARGE}", [database.pid, agent.pid]),
            (UNCACHED, "cache_ttl 0;", [database.pid]),
        ):
            nginx(name, "location / { ezdfs main; }", http=store(options), module=MODULE, backends=backends)
        for name, persistent in ((PHP, 0), (PERSISTENT, 1)):
            fpm = Fpm(directory / f"fpm-{persistent}", {**database.env, "BENCH_ROOT": str(root)})
            stack.callback(fpm.stop)
            location = fpm.location("lean.php", {"PERSISTENT": persistent})
            nginx(name, location, backends=[fpm.pid, database.pid])
        member(VARNISH, Varnish(directory / "varnish", behind=self.members[PHP]))
