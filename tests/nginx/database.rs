//! A database that is gone, full or silent.

use crate::support::faults::injected;
use crate::support::http::{Connection, Response, get};
use crate::support::nginx::{Builder, Nginx};
use crate::support::process::{free_port, wait_for};
use crate::support::proxy::Proxy;
use crate::support::{Group, Result, mariadb};

use super::site::{Frozen, location, mariadb_site, path, url};

/// Each trial has a server of its own, for what it does to it.
pub(super) fn register_mariadb(group: &mut Group) {
    group.add("refused_connections_are_503", |_| refused_connections());
    group.add("cold_requests_share_one_look_up", |_| one_look_up());
    group.add("cold_requests_for_many_names_share_few_queries", |_| few_queries());
    group.add("silent_database_is_503_at_the_deadline", |_| silent_database());
    group.add("clients_leave_while_waiting", |_| clients_leave());
    group.add("clients_that_leave_leave_nothing_behind", |_| nothing_behind());
    group.add("many_requests_without_a_database_are_no_storm", |_| no_storm());
    group.add("passive_server_is_used", |_| passive_server());
}

/// Adds a location that counts connections and one that needs no database.
pub(super) fn observed(builder: Builder) -> Builder {
    builder.server("location = /status { stub_status; } location = /static { return 200 static; }")
}

/// How many requests are under way, this one not counted.
pub(super) fn under_way(nginx: &Nginx) -> usize {
    let status = get(nginx.port(), "/status").text();
    let words: Vec<&str> = status.split_whitespace().collect();
    let writing = words.iter().position(|word| *word == "Writing:").expect("stub_status");
    words[writing + 1].parse::<usize>().expect("a number") - 1
}

/// Sends requests without waiting for their answers.
pub(super) fn send<'a>(
    nginx: &Nginx,
    targets: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<Connection>> {
    let send = |target| {
        let mut connection = Connection::open(nginx.port())?;
        connection.send("GET", target, &[("Connection", "close")])?;
        Ok(connection)
    };
    targets.into_iter().map(send).collect()
}

fn assert_unavailable(answer: &Response, what: &str) {
    assert_eq!(answer.status, 503, "{what}");
    assert!(answer.header("Retry-After").is_some(), "{what}: {answer:?}");
    assert_eq!((answer.header("ETag"), answer.header("Expires")), (None, None), "{what}");
}

fn counter(server: &mariadb::Server, name: &str) -> Result<u64> {
    let rows = server.sql("", &format!("SHOW GLOBAL STATUS LIKE '{name}'"))?;
    let value = rows.first().and_then(|row| row[1].clone());
    Ok(value.ok_or("no such counter")?.parse()?)
}

fn refused_connections() -> Result {
    let (server, site) = mariadb_site(60)?;
    // Without the administrator's right to one connection more.
    server.sql(
        "",
        "CREATE USER web@'%' IDENTIFIED BY 'secret'; GRANT SELECT ON *.* TO web@'%';
         SET GLOBAL max_connections = 10; SET GLOBAL connect_timeout = 3600",
    )?;
    let (dsn, root) = (site.db.dsn.replace("//ezdfs:", "//web:"), site.root());
    let store = format!("ezdfs_store web {{ dsn {dsn}; root {}; cache_ttl 0; }}", root.display());
    let nginx =
        observed(Nginx::with_module().http(&store)).server("location / { ezdfs web; }").start()?;
    let targets: Vec<String> = (0..60).map(|i| url(&path(i))).collect();
    let ask_all = || -> Result<Vec<Response>> {
        let connections = send(&nginx, targets.iter().map(String::as_str))?;
        connections.into_iter().map(|mut connection| connection.receive("GET")).collect()
    };

    // With the one that wrote the files, connections that never log in take all places but the
    // administrator's. One by one, for a connection that closes still takes a place.
    let mut taken = Vec::new();
    for count in 1..=9 {
        taken.push(std::net::TcpStream::connect(("127.0.0.1", server.port()))?);
        wait_for("the connection", || {
            counter(&server, "Threads_connected").is_ok_and(|connected| connected == count + 2)
        })?;
    }
    let mut before = 0;
    wait_for("the administrator's place", || {
        counter(&server, "Connections").map(|count| before = count).is_ok()
    })?;
    for answer in ask_all()? {
        assert_unavailable(&answer, "a server that is full");
    }
    let (mut own, mut after) = (0, 0);
    wait_for("the administrator's place", || {
        own += 1;
        counter(&server, "Connections").map(|count| after = count).is_ok()
    })?;
    let attempts = after - before - own;
    assert!(attempts <= 60, "{attempts} attempts to connect for 60 requests");

    drop(taken);
    wait_for("a place", || get(nginx.port(), &targets[0]).status == 200)?;
    let before = counter(&server, "Connections")?;
    for (i, answer) in ask_all()?.iter().enumerate() {
        assert_eq!((answer.status, answer.text()), (200, path(i)));
    }
    let opened = counter(&server, "Connections")? - before - 1;
    assert!(opened <= 4, "{opened} connections, although max_connections is 4");
    Ok(())
}

fn one_look_up() -> Result {
    let (server, site) = mariadb_site(2)?;
    let patient = "connect_timeout 60s; query_timeout 60s;";
    let nginx = observed(site.builder(patient)).server(&location("")).start()?;
    // Connects and looks at the table.
    assert_eq!(get(nginx.port(), &url(&path(1))).status, 200);
    let before = counter(&server, "Com_stmt_execute")?;

    let frozen = Frozen::new(&server)?;
    let connections = send(&nginx, [&*url(&path(0)); 50])?;
    wait_for("the requests", || under_way(&nginx) == 50)?;
    for _ in 0..20 {
        assert_eq!(get(nginx.port(), "/static").text(), "static");
    }
    assert_eq!(under_way(&nginx), 50);
    drop(frozen);
    for mut connection in connections {
        let answer = connection.receive("GET")?;
        assert_eq!((answer.status, answer.text()), (200, path(0)));
    }
    assert_eq!(counter(&server, "Com_stmt_execute")? - before, 1);
    Ok(())
}

fn few_queries() -> Result {
    const NAMES: usize = 200;
    const BROKEN: usize = 150;
    let (server, site) = mariadb_site(NAMES + 1)?;
    // Rows are found by their keys, also where a character set has spoilt the names.
    site.db.sql("UPDATE ezdfsfile SET name = CONCAT('?', name)");
    // A row that cannot be read is no trouble of those that are read with it.
    site.db.sql("ALTER TABLE ezdfsfile MODIFY size bigint NULL");
    let broken = format!("UPDATE ezdfsfile SET size = NULL WHERE name LIKE '%{}'", path(BROKEN));
    site.db.sql(&broken);
    let patient = "connect_timeout 60s; query_timeout 60s;";
    let nginx = observed(site.builder(patient)).server(&location("")).start()?;
    assert_eq!(get(nginx.port(), &url(&path(NAMES))).status, 200);
    let before = counter(&server, "Com_stmt_execute")?;
    let frozen = Frozen::new(&server)?;
    let targets: Vec<String> = (0..NAMES).map(|i| url(&path(i))).collect();
    let connections = send(&nginx, targets.iter().map(String::as_str))?;
    wait_for("the requests", || under_way(&nginx) == NAMES)?;
    drop(frozen);
    for (i, mut connection) in connections.into_iter().enumerate() {
        let answer = connection.receive("GET")?;
        match i {
            BROKEN => assert_eq!(answer.status, 503),
            _ => assert_eq!((answer.status, answer.text()), (200, path(i))),
        }
    }
    // Two that asked at once, and the others by the dozen.
    let queries = counter(&server, "Com_stmt_execute")? - before;
    assert!(queries <= 10, "{queries} queries for {NAMES} names");
    Ok(())
}

fn silent_database() -> Result {
    let (server, site) = mariadb_site(30)?;
    let hasty = "connect_timeout 300ms; query_timeout 300ms; cache_ttl 0;";
    let nginx = observed(site.builder(hasty)).server(&location("")).start()?;
    let targets: Vec<String> = (0..30).map(|i| url(&path(i))).collect();
    assert_eq!(get(nginx.port(), &targets[0]).status, 200);

    let frozen = Frozen::new(&server)?;
    for _ in 0..2 {
        let connections = send(&nginx, targets.iter().map(String::as_str))?;
        assert_eq!(get(nginx.port(), "/static").text(), "static");
        for mut connection in connections {
            assert_unavailable(&connection.receive("GET")?, "a frozen server");
        }
    }
    drop(frozen);
    for (i, target) in targets.iter().enumerate() {
        wait_for("the thawed server", || get(nginx.port(), target).status == 200)?;
        assert_eq!(get(nginx.port(), target).text(), path(i));
    }
    Ok(())
}

fn clients_leave() -> Result {
    let (server, site) = mariadb_site(20)?;
    let patient = "connect_timeout 60s; query_timeout 60s; cache_ttl 0;";
    let builder = observed(site.builder(patient));
    let dir = builder.dir().display().to_string();
    let includes: String =
        (0..3).map(|i| format!("<!--# include virtual=\"{}\" -->", url(&path(i)))).collect();
    std::fs::write(builder.dir().join("page.html"), includes)?;
    let nginx = builder
        .server(&location(""))
        .server(&format!("location = /page.html {{ root {dir}; ssi on; ssi_types *; }}"))
        .start()?;
    assert_eq!(get(nginx.port(), "/page.html").text(), path(0) + &path(1) + &path(2));

    for round in 0..3 {
        let frozen = Frozen::new(&server)?;
        let mut targets: Vec<String> = (0..20).map(|i| url(&path(i))).collect();
        targets.extend(std::iter::repeat_n("/page.html".to_owned(), 5));
        let connections = send(&nginx, targets.iter().map(String::as_str))?;
        wait_for("the requests", || under_way(&nginx) == 25)?;
        drop(connections);
        wait_for("the end of the requests", || under_way(&nginx) == 0)?;
        drop(frozen);
        for i in 0..20 {
            let answer = get(nginx.port(), &url(&path(i)));
            assert_eq!((answer.status, answer.text()), (200, path(i)), "round {round}");
        }
    }
    let left = nginx.access_log().lines().filter(|line| line.contains(" 499 ")).count();
    assert_eq!(left, 75, "{}", nginx.access_log());
    let log = nginx.error_log();
    for level in ["[emerg]", "[alert]", "[crit]", "[error]"] {
        assert!(!log.contains(level), "{log}");
    }
    Ok(())
}

/// Each of these look-ups would last as long as the server is silent.
fn nothing_behind() -> Result {
    const CLIENTS: usize = 200;
    const ROUNDS: usize = 40;
    let (server, site) = mariadb_site(1)?;
    let patient = "connect_timeout 60s; query_timeout 60s; cache_ttl 0;";
    let nginx = observed(site.builder(patient)).server(&location("")).start()?;
    assert_eq!(get(nginx.port(), &url(&path(0))).status, 200);
    let worker = *nginx.worker_pids().first().expect("a worker");
    let frozen = Frozen::new(&server)?;
    let mut grown = Vec::new();
    for round in 0..ROUNDS {
        let targets: Vec<_> =
            (0..CLIENTS).map(|i| url(&format!("images/{round}/{i}.png"))).collect();
        let connections = send(&nginx, targets.iter().map(String::as_str))?;
        wait_for("the requests", || under_way(&nginx) == CLIENTS)?;
        connections.into_iter().try_for_each(Connection::reset)?;
        wait_for("the end of the requests", || under_way(&nginx) == 0)?;
        grown.push(resident_kilobytes(worker)?);
    }
    drop(frozen);
    let (first, last) = (grown[ROUNDS / 4], grown[ROUNDS - 1]);
    assert!(last < first + 8 * 1024, "kilobytes after each round: {grown:?}");
    assert_eq!(get(nginx.port(), &url(&path(0))).text(), path(0));
    injected(
        "thousands of clients that leave while the database is silent",
        "nothing stays in memory",
    );
    Ok(())
}

fn resident_kilobytes(pid: u32) -> Result<usize> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// A server that takes each attempt to connect and closes it.
fn no_storm() -> Result {
    let (_server, site) = mariadb_site(0)?;
    let nobody = Proxy::start(free_port())?;
    let (address, root) = (nobody.address(), site.root());
    let store = format!(
        "ezdfs_store lost {{ dsn mysql://ezdfs:secret@{address}/x; root {}; }}",
        root.display()
    );
    let nginx = Nginx::with_module().http(&store).server("location / { ezdfs lost; }").start()?;
    let targets: Vec<String> = (0..400).map(|i| url(&path(i))).collect();
    for mut connection in send(&nginx, targets.iter().map(String::as_str))? {
        assert_unavailable(&connection.receive("GET")?, "a server that closes connections");
        injected("nginx: request while the server is down", "503 with Retry-After");
    }
    let attempts = nobody.accepted();
    assert!(attempts < 60, "{attempts} attempts to connect for 400 requests");
    Ok(())
}

/// Two servers with the same rows, but for one that only the second has.
fn passive_server() -> Result {
    let ((first, replica), (second, site)) = (mariadb_site(1)?, mariadb_site(2)?);
    first.sql("", "SET GLOBAL read_only = 1")?;
    let hosts = [&first, &second].map(|server| format!("127.0.0.1:{}", server.port()));
    let database = site.db.dsn.rsplit('/').next().unwrap_or_default();
    assert!(replica.db.dsn.ends_with(database), "both servers count alike");
    let store = format!(
        "ezdfs_store pair {{ dsn mysql://ezdfs:secret@{}/{database}; root {}; cache_ttl 0; }}",
        hosts.join(","),
        site.root().display()
    );
    let nginx = Nginx::with_module().http(&store).server("location / { ezdfs pair; }").start()?;
    let ask = |i| get(nginx.port(), &url(&path(i)));
    assert_eq!((ask(0).status, ask(1).status), (200, 200));
    injected("nginx: first server of the DSN read-only", "the second is used");
    second.stop();
    wait_for("the read-only server's use", || ask(0).status == 200)?;
    assert_unavailable(&ask(1), "a row that the read-only server lacks");
    injected(
        "nginx: active server stopped, the other read-only",
        "what it has is served, else 503",
    );
    first.stop();
    wait_for("the connections' end", || ask(0).status == 503)?;
    assert_unavailable(&ask(0), "both servers stopped");
    injected("nginx: all servers stopped", "503 with Retry-After");
    second.restart_on_same_port()?;
    wait_for("the second server's use", || (ask(0).status, ask(1).status) == (200, 200))?;
    injected("nginx: server back", "healthy again without a reload");
    Ok(())
}
