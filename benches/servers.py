"""The servers of a measurement: private directories, free loopback ports, no configuration of the machine's."""

import os
import pathlib
import resource
import shlex
import shutil
import signal
import subprocess

from processes import Daemon, accepts, children, free_port, memory, program, unmount, wait_for

TOP = pathlib.Path(__file__).resolve().parent.parent
BUILD = TOP / "build"
MODULE = BUILD / "ngx_http_ezdfs_module.so"
PHP_SCRIPTS = TOP / "benches/php"
AS_ROOT = os.getuid() == 0
# What a process may have here without more rights than it has. ezdfs keeps an eighth of them open.
DESCRIPTORS = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 1 << 18)
PHP_VERSION = "8.2"
FPM_CHILDREN = 8
# opcache as Debian's php-fpm has it; the rest is what the scripts need.
PHP_FLAGS = [
    "-n", "-d", "display_errors=stderr", "-d", "zend_extension=opcache", "-d", "opcache.enable_cli=1",
    "-d", "extension=mysqlnd", "-d", "extension=pdo", "-d", "extension=pdo_mysql",
    "-d", f"extension={BUILD}/ezdfs.so",
]  # fmt: skip

NGINX = """
{modules}
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile {descriptors};
pid {dir}/nginx.pid;
error_log {dir}/error.log error;
events {{ worker_connections 4096; }}
http {{
    types {{ image/jpeg jpg; }}
    access_log off;
    log_not_found off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    client_body_temp_path {dir}/tmp; proxy_temp_path {dir}/tmp; fastcgi_temp_path {dir}/tmp;
    uwsgi_temp_path {dir}/tmp; scgi_temp_path {dir}/tmp;
    {http}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        {server}
    }}
}}
"""

FPM = """
[global]
error_log = {dir}/fpm.log
log_level = warning
[bench]
{user}
listen = {dir}/fpm.sock
listen.backlog = 1024
pm = static
pm.max_children = {children}
clear_env = no
"""

VCL = """
vcl 4.1;
backend default {{ .host = "127.0.0.1"; .port = "{port}"; }}
"""


def postgres_program(name):
    """Of the newest version that is installed."""
    versions = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda found: int(found.parent.name))
    return versions[-1] / name if versions else program(name)


class MariaDb:
    def __init__(self, directory, buffer_pool="512M"):
        directory.mkdir()
        self.port = free_port()
        self.dir = directory
        self.url = f"mysql://ezdfs:secret@127.0.0.1:{self.port}/ezdfs"
        self.env = {
            "BENCH_PDO": f"mysql:host=127.0.0.1;port={self.port};dbname=ezdfs;charset=utf8mb4",
            "BENCH_DSN": self.url,
        }
        user = ["--user=root"] if AS_ROOT else []
        common = ["--no-defaults", f"--datadir={directory}/data", f"--tmpdir={directory}", *user]
        install = [program("mariadb-install-db"), *common, "--skip-test-db"]
        install += ["--auth-root-authentication-method=normal"]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
        command = [
            program("mariadbd"), *common, f"--socket={directory}/sock", f"--pid-file={directory}/pid",
            f"--port={self.port}", "--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin",
            f"--innodb-buffer-pool-size={buffer_pool}", "--innodb-log-file-size=256M",
            # What is measured is ezdfs and PHP, not how long a disk takes for an fsync.
            "--innodb-flush-log-at-trx-commit=2", "--max-connections=500", "--local-infile=1",
        ]  # fmt: skip
        self.daemon = Daemon("mariadbd", command, directory / "log", self.answers, signal.SIGKILL)
        self.pid = self.daemon.pid
        self.sql(
            "CREATE DATABASE ezdfs CHARACTER SET utf8mb4; CREATE USER ezdfs@'%' IDENTIFIED BY 'secret';"
            "GRANT ALL ON *.* TO ezdfs@'%'",
            database="mysql",
        )

    def client(self, database="ezdfs"):
        return [program("mariadb"), "--no-defaults", "-uroot", f"--socket={self.dir}/sock", "-N", database]

    def answers(self):
        return subprocess.run([*self.client(""), "-e", "SELECT 1"], capture_output=True).returncode == 0

    def sql(self, text, database="ezdfs"):
        command = [*self.client(database), "-e", text]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    # Counting the statements is two: this one, and the client's own first one.
    asking = 2

    def statements(self):
        """Statements so far, this one included."""
        return int(self.sql("SHOW GLOBAL STATUS LIKE 'Questions'").split()[1])

    def create(self, database):
        """An empty database; says what leads there."""
        self.sql(f"CREATE DATABASE `{database}` CHARACTER SET utf8mb4")
        return f"{self.url.rpartition('/')[0]}/{database}"

    def look_ups(self):
        """Rows looked up by a key so far, however many by one statement."""
        return int(self.sql("SHOW GLOBAL STATUS LIKE 'Handler_read_key'").split()[1])

    def stop(self):
        self.daemon.stop()


class Postgres:
    """Superuser `ezdfs`. Refuses to run as root: then it runs as the user of Debian's package."""

    def __init__(self, directory):
        directory.mkdir()
        self.port = free_port()
        self.dir = directory
        user = []
        if AS_ROOT:
            shutil.chown(directory, "postgres", "postgres")
            user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=QUIT", "--"]
        install = [*user, postgres_program("initdb"), "--username=ezdfs", "--auth=trust", "--encoding=UTF8"]
        install += ["--no-locale", "--no-sync", f"--pgdata={directory}/data"]
        subprocess.run(install, check=True, cwd="/", stdout=subprocess.DEVNULL)
        command = [*user, postgres_program("postgres"), "-D", f"{directory}/data", "-p", str(self.port)]
        command += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        # As for MariaDB: what is measured is not how long a disk takes for an fsync.
        command += ["-c", "synchronous_commit=off", "-c", "shared_buffers=256MB"]
        self.daemon = Daemon("postgres", command, directory / "log", self.answers, signal.SIGQUIT)
        self.pid = self.daemon.pid

    def sql(self, text):
        command = [program("psql"), "-XqAt", "-h", "127.0.0.1", "-p", str(self.port), "-U", "ezdfs", "-c", text]
        command.append("postgres")
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def answers(self):
        try:
            return bool(self.sql("SELECT 1"))
        except subprocess.CalledProcessError:
            return False

    def statements(self):
        """It does not count them."""
        return None

    def create(self, database):
        """An empty database; says what leads there."""
        self.sql(f"CREATE DATABASE {database} TEMPLATE template0")
        return f"postgres://ezdfs@127.0.0.1:{self.port}/{database}"

    def stop(self):
        self.daemon.stop()


class Nginx:
    """One master, one worker, one port. `pids` are the processes that serve: those of `backends`, too.
    `before` is what stands before its command: a tool that looks on."""

    before = ()

    def __init__(self, directory, server, http="", module=None, backends=()):
        directory.mkdir()
        (directory / "tmp").mkdir()
        self.port = free_port()
        load = f"load_module {module};" if module else ""
        self.conf = directory / "nginx.conf"
        self.conf.write_text(
            NGINX.format(
                modules=load, user="user root;" if AS_ROOT else "", dir=directory, http=http,
                server=server, port=self.port, descriptors=DESCRIPTORS,
            )  # fmt: skip
        )
        self.dir = directory
        self.backends = list(backends)
        self.daemon = None
        self.start()

    def start(self):
        command = [*self.before, program("nginx"), "-p", self.dir, "-c", self.conf, "-e", self.dir / "error.log"]
        self.daemon = Daemon("nginx", command, self.dir / "error.log", lambda: accepts(self.port))
        wait_for("nginx worker", lambda: children(self.daemon.pid))

    @property
    def pids(self):
        return [self.daemon.pid, *self.backends]

    def memory(self):
        """Resident bytes of the worker: all, and those that are its own."""
        (worker,) = children(self.daemon.pid)
        return memory(worker)

    def forget(self):
        """Makes the caches cold."""
        self.stop()
        self.start()

    def stop(self):
        self.daemon.stop()


class Fpm:
    def __init__(self, directory, env, children=FPM_CHILDREN):
        directory.mkdir()
        self.socket = directory / "fpm.sock"
        conf = directory / "fpm.conf"
        user = "user = root" if AS_ROOT else ""
        conf.write_text(FPM.format(dir=directory, user=user, children=children))
        command = [program(f"php-fpm{PHP_VERSION}"), "--nodaemonize", "--fpm-config", conf, *PHP_FLAGS]
        command += ["--allow-to-run-as-root"] if AS_ROOT else []
        self.daemon = Daemon("php-fpm", command, directory / "out.log", self.socket.exists, env=env)
        self.pid = self.daemon.pid

    def location(self, script, params=None):
        """What an nginx server needs to answer everything by a script."""
        lines = [
            f"fastcgi_pass unix:{self.socket};",
            f"fastcgi_param SCRIPT_FILENAME {PHP_SCRIPTS}/{script};",
            "fastcgi_param REQUEST_METHOD $request_method;",
            "fastcgi_param DOCUMENT_URI $document_uri;",
            "fastcgi_param QUERY_STRING $query_string;",
            "fastcgi_max_temp_file_size 0;",
            "fastcgi_read_timeout 120s;",
            *(f"fastcgi_param {key} {value};" for key, value in (params or {}).items()),
        ]
        return "location / { " + " ".join(lines) + " }"

    def stop(self):
        self.daemon.stop()


class Varnish:
    """In front of another server, with its defaults and as much memory as the files need."""

    def __init__(self, directory, behind, storage="1g"):
        directory.mkdir()
        self.port = free_port()
        self.dir = directory
        self.storage = storage
        (directory / "default.vcl").write_text(VCL.format(port=behind.port))
        self.behind = behind
        self.start()

    def start(self):
        command = [program("varnishd"), "-F", "-j", "none", "-n", self.dir / "work"]
        command += ["-a", f"127.0.0.1:{self.port}", "-f", self.dir / "default.vcl", "-s", f"malloc,{self.storage}"]
        self.daemon = Daemon("varnishd", command, self.dir / "log", lambda: accepts(self.port))

    @property
    def pids(self):
        return [self.daemon.pid, *self.behind.pids]

    def forget(self):
        self.stop()
        self.start()

    def stop(self):
        self.daemon.stop()


class Mounter:
    """A pass-through file system that takes its time: `PROGRAM --from DIR --at DIR --latency 500us`."""

    def __init__(self, program_line, source, at, latency, log):
        at.mkdir(exist_ok=True)
        self.at = at
        command = [*shlex.split(program_line), "--from", source, "--at", at, "--latency", latency]
        self.daemon = Daemon("mounter", command, log, lambda: os.path.ismount(at))

    def stop(self):
        self.daemon.stop()
        unmount(self.at)
