"""PHP operations: ezdfs.so against PDO and file functions."""

import http.client
import json
import statistics
import subprocess
import urllib.parse

import tree
from processes import program
from servers import PHP_FLAGS, PHP_SCRIPTS, Fpm, Nginx

REQUESTS = 200
FILES = 20
WHO = {
    "plain": "PDO and file functions",
    "persistent": "the same, persistent connection",
    "ezdfs": "ezdfs",
    "replica": "ezdfs with a replica",
    "uncached": "ezdfs, cache_ttl 0",
}
OPERATIONS = ["load", "exists", "read", "create"]
# Those whose time a slow file system decides.
ON_SLOW_MOUNT = ["create", "overwrite", "deleteDirectory, 1,000 folders", "deleteDirectory, one folder"]
# What loops.php counts besides microseconds.
COSTS = {
    "statements": "statements",
    "rows": "rows written",
    "waits": "waits",
    "cpu": "CPU µs of PHP",
    "database": "CPU µs of the database",
}


def environment(root, database, agent):
    (root / "images").mkdir(parents=True)
    tree.ezdfs(database.url, root, "schema", "--create")
    return {**database.env, "BENCH_ROOT": str(root), "BENCH_REPLICA": str(agent.replica)}


def loops(root, database, agent, rounds, operations=()):
    """Microseconds of each operation in a process that goes on, and what they are spent on."""
    env = environment(root, database, agent)
    env["BENCH_DATABASE"] = str(database.pid)
    command = [program("php"), *PHP_FLAGS, PHP_SCRIPTS / "loops.php", rounds, *operations]
    env["PATH"] = "/usr/bin:/bin"
    run = subprocess.run(list(map(str, command)), env=env, stdout=subprocess.PIPE, check=True)
    operations = json.loads(run.stdout)

    def of_rounds(key, pick=lambda rounds: rounds):
        return {
            operation: {who: pick([each[key] for each in rounds]) for who, rounds in contestants.items()}
            for operation, contestants in operations.items()
        }

    return of_rounds("us"), {key: of_rounds(key, statistics.median) for key in COSTS}


def first_use(directory, database, agent, rounds, stack, say):
    """Microseconds of the first operation of a request; one php-fpm process, so that it is always the same."""
    place = directory / "php-first"
    env = environment(place, database, agent)
    picture = directory / "picture.jpg"
    picture.write_bytes(tree.contents(20 * tree.KB))
    fpm = Fpm(directory / "fpm-first", env, children=1)
    stack.callback(fpm.stop)
    nginx = Nginx(directory / "nginx-first", fpm.location("first.php", {"PICTURE": picture}))
    stack.callback(nginx.stop)

    def ask(who, operation, number):
        query = urllib.parse.urlencode({"who": who, "operation": operation, "id": f"images/{who}/{number}.jpg"})
        connection = http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=60)
        connection.request("GET", f"/?{query}")
        body = connection.getresponse().read()
        connection.close()
        return int(body) / 1000

    for who in WHO:
        for number in range(FILES):
            ask(who, "create", number)
    times = {operation: {name: [] for name in WHO.values()} for operation in OPERATIONS}
    made = FILES
    for operation in OPERATIONS:
        say(f"PHP: first use: {operation}")
        for _ in range(rounds):
            for who, name in WHO.items():
                if operation == "create":
                    numbers = range(made, made + REQUESTS)
                else:
                    numbers = [number % FILES for number in range(REQUESTS)]
                    # Who has a cache has these files in it; each request is still a fresh one.
                    for number in range(FILES):
                        ask(who, operation, number)
                times[operation][name].append(statistics.median(ask(who, operation, each) for each in numbers))
            made += REQUESTS
    return times
