//! The harness itself: servers start, answer and go.

use crate::support::db::{Backend, TestDb};
use crate::support::nginx::Nginx;
use crate::support::process::wait_for;
use crate::support::{Need, Result, Servers, Trials, faults, fixtures, http, mariadb, postgres};

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("harness", &[]);
    group.add("the_table_of_faults_cannot_lie", |_| table_of_faults());
    group.per_database("every_value_comes_as_text", every_value_comes_as_text);
    let mut group = trials.group("harness", &[Need::MARIADB]);
    group.add("mariadb_database_has_its_collation", mariadb_database_has_its_collation);
    group.add("mariadb_keeps_port_and_rows_over_a_restart", mariadb_restart);
    let mut group = trials.group("harness", &[Need::POSTGRES]);
    group.add("postgres_keeps_port_and_rows_over_a_restart", postgres_restart);
    let mut group = trials.group("harness", &[Need::NGINX]);
    group.add("nginx_serves_a_file", |_| nginx_serves_a_file());
    group.add("nginx_reloads", |_| nginx_reloads());
    group.add("nginx_names_a_bad_directive", |_| nginx_names_a_bad_directive());
    group.add("http_reads_chunks_and_keeps_alive", |_| http_reads_chunks());
}

fn table_of_faults() -> Result {
    let empty =
        "# Title\n\n<!-- faults: written by `make faults` -->\nold\n<!-- end of faults -->\nrest\n";
    let happened = [(("power cut", "nothing lost"), 3), (("power cut", "unavailable"), 1)].into();
    let document = faults::with_table(empty, &happened)?;
    let table = "| fault | times | outcome |\n|---|---|---|\n\
                 | power cut | 3 | nothing lost |\n| power cut | 1 | unavailable |\n";
    assert_eq!(document, empty.replace("old\n", table));
    faults::compare(&document, &happened)?;
    let less = [(("power cut", "nothing lost"), 3)].into();
    let error = faults::compare(&document, &less).expect_err("a fault that was not injected");
    assert!(error.to_string().contains("| power cut | 1 | unavailable |"), "{error}");
    assert!(faults::with_table("no markers", &less).is_err());
    Ok(())
}

fn every_value_comes_as_text(db: TestDb) {
    assert_eq!(db.sql("SELECT 1 FROM (SELECT 1 AS a) t WHERE a = 2"), Vec::<Vec<_>>::new());
    let boolean = if db.backend == Backend::Postgres { "boolean" } else { "int" };
    db.sql(&format!(
        "CREATE TABLE t (name varchar(50), size bigint, expired {boolean});
         INSERT INTO t VALUES ('living room é', 3000000000, NULL);"
    ));
    let row = ["living room é", "3000000000"].map(|text| Some(text.to_owned()));
    assert_eq!(db.sql("SELECT name, size, expired FROM t"), [[&row[..], &[None]].concat()]);
}

fn mariadb_database_has_its_collation(servers: &Servers) -> Result {
    let db = TestDb::mariadb(servers, "latin1", "latin1_general_cs")?;
    let collation = db.sql("SELECT @@collation_database");
    assert_eq!(collation, [[Some("latin1_general_cs".to_owned())]]);
    Ok(())
}

fn mariadb_restart(_: &Servers) -> Result {
    let server = mariadb::Server::start()?;
    let name = server.create_database("utf8mb4", "utf8mb4_bin")?;
    server.sql(&name, "CREATE TABLE t (a int); INSERT INTO t VALUES (7)")?;
    server.stop();
    assert!(server.sql(&name, "SELECT a FROM t").is_err(), "a stopped server answered");
    server.restart_on_same_port()?;
    assert_eq!(server.sql(&name, "SELECT a FROM t")?, [[Some("7".to_owned())]]);
    Ok(())
}

fn postgres_restart(_: &Servers) -> Result {
    let server = postgres::Server::start()?;
    let name = server.create_database()?;
    server.sql(&name, "CREATE TABLE t (a int); INSERT INTO t VALUES (7)")?;
    server.stop();
    assert!(server.sql(&name, "SELECT a FROM t").is_err(), "a stopped server answered");
    server.restart_on_same_port()?;
    assert_eq!(server.sql(&name, "SELECT a FROM t")?, [[Some("7".to_owned())]]);
    Ok(())
}

const PICTURE: &str = "/var/site/storage/images/6/5/0/7/7056-1-eng-GB/living room é.jpg";

fn nginx_serves_a_file() -> Result {
    let root = format!("root {};", fixtures().display());
    let nginx = Nginx::builder().server(&root).start()?;
    let target = PICTURE.replace(' ', "%20").replace('é', "%C3%A9");
    let answer = http::get(nginx.port(), &target);
    let bytes = std::fs::read(fixtures().join(&PICTURE[1..]))?;
    assert_eq!((answer.status, answer.body == bytes), (200, true));
    let length = bytes.len().to_string();
    let answer = http::head(nginx.port(), &target);
    assert_eq!((answer.status, answer.header("content-length")), (200, Some(&*length)));
    assert_eq!(http::get(nginx.port(), "/nothing").status, 404);
    assert!(nginx.error_log().contains("/nothing"), "{}", nginx.error_log());
    Ok(())
}

fn nginx_reloads() -> Result {
    let mut nginx = Nginx::builder().workers(2).server("return 200 one;").start()?;
    wait_for("two workers", || nginx.worker_pids().len() == 2)?;
    let old = nginx.worker_pids();
    assert_eq!(http::get(nginx.port(), "/").text(), "one");
    nginx.reload(|config| config.server = "return 200 two;".to_owned())?;
    wait_for("the old workers' end", || nginx.worker_pids().is_disjoint(&old))?;
    assert_eq!(http::get(nginx.port(), "/").text(), "two");
    Ok(())
}

fn nginx_names_a_bad_directive() -> Result {
    let (passes, output) = Nginx::builder().http("no_such_directive on;").test()?;
    assert!(!passes && output.contains("\"no_such_directive\""), "{output}");
    let (passes, output) = Nginx::builder().test()?;
    assert!(passes, "{output}");
    Ok(())
}

fn http_reads_chunks() -> Result {
    // A filter that changes the length makes nginx send chunks.
    let text = "return 200 'a b a'; sub_filter a long; sub_filter_once off;";
    let nginx = Nginx::builder().http("sub_filter_types *;").server(text).start()?;
    let mut connection = http::Connection::open(nginx.port())?;
    for _ in 0..2 {
        let answer = connection.request("GET", "/", &[])?;
        assert_eq!(answer.header_all("transfer-encoding"), ["chunked"]);
        assert_eq!(answer.text(), "long b long");
    }
    connection.send("GET", "/", &[("Connection", "close")])?;
    assert_eq!(connection.receive("GET")?.status, 200);
    Ok(())
}
