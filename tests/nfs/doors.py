"""The ways into the store on a client node. All answer with what it came to and a text."""

import collections
import pathlib
import shlex
import shutil

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = TOP / "build"
HERE = pathlib.Path(__file__).resolve().parent
MOUNT = "/mnt/nfs"
# The same on the server.
EXPORT = "/srv/export"

# How long a row is trusted, in seconds, by nginx and PHP.
TTL = 2

# Longest wait for the mount, in seconds: guests are slow, and so may their machine be.
PATIENCE = 10

# Where a node's agent keeps its replica, and how long that counts, in seconds: guests are slow.
REPLICA = "/tmp/replica"
MAX_LAG = 5

Answer = collections.namedtuple("Answer", "kind text")

EXIT_CODES = {0: "ok", 1: "not found", 3: "unavailable", 5: "storage", 8: "storage"}
STATUSES = {200: "ok", 404: "not found", 503: "unavailable", 507: "storage"}


class Command:
    """The command: a process for each call, which remembers nothing."""

    def __init__(self, lab, node, dsn, replica, patience=PATIENCE):
        self.lab, self.node, self.name = lab, node, f"command on {node}"
        options = {"root": MOUNT, "mount_timeout": f"{patience}s", "dsn": f"'{dsn}'", **replica}
        words = [f"EZDFS_{key.upper()}={value}" for key, value in options.items()]
        self.base = f"env {' '.join(words)} {BUILD}/ezdfs"

    def run(self, arguments, stdin="", timeout=90):
        result = self.lab.run(self.node, f"{self.base} {arguments}", stdin=stdin, timeout=timeout)
        return Answer(EXIT_CODES.get(result.rc, f"exit code {result.rc}"), result.out)

    def get(self, id):
        # What it says beside the bytes counts where it fails.
        return self.run(f"get {id} 2>/tmp/said || {{ code=$?; cat /tmp/said; exit $code; }}")

    def put(self, id, text):
        return self.run(f"put {id} -", stdin=text)

    def put_file(self, id, path):
        return self.run(f"put {id} {path}")

    def remove(self, id):
        return self.run(f"rm {id}")

    def remove_directory(self, directory):
        return self.run(f"rm -r {directory}")

    def poll(self, id):
        return f"{self.base} get {id}"

    def overwrite(self):
        return f"{self.base} put"


class Http:
    """Something on a node that is asked by HTTP."""

    def __init__(self, lab, node, name, port):
        self.lab, self.node, self.name = lab, node, f"{name} on {node}"
        self.base = f"http://127.0.0.1:{port}"

    def curl(self, arguments, path, stdin=""):
        script = (
            f"body=$(mktemp); curl -s -m 120 -o $body -w '%{{http_code}}\\n' {arguments} {self.base}/{path}; "
            "rc=$?; cat $body; rm -f $body; exit $rc"
        )
        result = self.lab.run(self.node, script, stdin=stdin, timeout=150)
        status, _, text = result.out.partition("\n")
        if result.rc:
            return Answer(f"curl's error {result.rc}", text)
        return Answer(STATUSES.get(int(status), f"status {status}"), text)

    def get(self, id):
        return self.curl("", id)

    def poll(self, id):
        return f"{self.base}/{id}"


class Nginx(Http):
    """One of the servers of the nginx on node B. Each has a store, and so
    descriptors, of its own. Both workers answer."""

    PORTS = {"nginx": 8080, "nginx without threads": 8081, "patient nginx": 8082, "patient nginx without threads": 8083}

    def __init__(self, lab, node, name):
        super().__init__(lab, node, name, self.PORTS[name])

    @classmethod
    def configuration(cls, dsn, replica):
        replica = " ".join(f"{key} {value};" for key, value in replica.items())
        blocks = []
        for name, port in cls.PORTS.items():
            store = name.replace(" ", "_")
            ttl = 120 if "patient" in name else TTL
            threads = "ezdfs_threads off;" if "threads" in name else ""
            blocks.append(f"""
    ezdfs_store {store} {{ dsn {dsn}; root {MOUNT}; cache_ttl {ttl}s; cache_negative_ttl 1s; mount_timeout {PATIENCE}s; {replica} }}
    server {{
        listen 127.0.0.1:{port} reuseport;
        location /images/ {{ ezdfs {store}; {threads} }}
        location = /pid {{ return 200 $pid; }}
    }}""")
        return f"""
load_module {BUILD}/ngx_http_ezdfs_module.so;
user root; daemon off; worker_processes 2; pid /tmp/n/pid; error_log /tmp/n/error.log info;
events {{}}
http {{
    access_log off; sendfile on;
    client_body_temp_path /tmp/n/t; proxy_temp_path /tmp/n/t; fastcgi_temp_path /tmp/n/t;
    uwsgi_temp_path /tmp/n/t; scgi_temp_path /tmp/n/t;
{"".join(blocks)}
}}
"""

    @classmethod
    def start(cls, lab, node, dsn, replica):
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        lab.run(node, "mkdir -p /tmp/n/t", check=True)
        lab.put(node, "/tmp/n/nginx.conf", cls.configuration(dsn, replica).encode())
        return lab.start(node, f"exec {program} -p /tmp/n -c /tmp/n/nginx.conf -e stderr")


class Php(Http):
    """A PHP process that lives on between requests, as one of php-fpm does."""

    PORT = 8090

    def __init__(self, lab, node):
        super().__init__(lab, node, "PHP", self.PORT)

    @classmethod
    def start(cls, lab, node, dsn, replica):
        options = {"dsn": dsn, "root": MOUNT, "cache_ttl": f"{TTL}s", "cache_negative_ttl": "1s", **replica}
        options["mount_timeout"] = f"{PATIENCE}s"
        words = ["php", "-n", "-d", f"extension={BUILD}/ezdfs.so"]
        for key, value in options.items():
            words += ["-d", f'ezdfs.{key}="{value}"']
        words += ["-S", f"127.0.0.1:{cls.PORT}", str(HERE / "node.php")]
        return lab.start(node, f"exec {shlex.join(words)}")

    def put(self, id, text):
        return self.curl("-X PUT --data-binary @-", id, stdin=text)

    def put_file(self, id, path):
        return self.curl(f"-X PUT --data-binary @{path}", id)

    def overwrite(self):
        return self.base

    def remove(self, id):
        return self.curl("-X DELETE", id)

    def remove_directory(self, directory):
        return self.curl("-X DELETE", f"{directory}/")
