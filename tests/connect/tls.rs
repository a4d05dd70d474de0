//! Servers with certificates as they are out there.

use std::sync::Arc;

use ezdfs::{Error, ErrorKind};

use super::certificates::Certificates;
use super::{stored, with};
use crate::store::refused;
use crate::support::db::{Backend, TestDb};
use crate::support::faults::injected;
use crate::support::process::scratch;
use crate::support::{Group, Result, mariadb, postgres};

pub(super) fn register_mariadb(group: &mut Group<'_>) {
    let name = Backend::MariaDb.name();
    group.add(&format!("modes_verify_what_they_say::{name}"), |_| modes(on_mariadb));
    group.add(&format!("rsa_key_exchange_is_spoken::{name}"), |_| rsa_key_exchange(on_mariadb));
    group.add(&format!("a_client_shows_its_certificate::{name}"), |_| client(on_mariadb));
    group.add(&format!("a_socket_has_tls_where_it_must::{name}"), |_| socket());
}

pub(super) fn register_postgres(group: &mut Group<'_>) {
    group.add("modes_verify_what_they_say::postgres", |_| modes(on_postgres));
    group.add("rsa_key_exchange_is_spoken::postgres", |_| rsa_key_exchange(on_postgres));
    group.add("a_client_shows_its_certificate::postgres", |_| client(on_postgres));
    group.add("only_those_with_tls_are_let_in::postgres", |_| only_without_tls());
}

/// What a server asks of its clients, all of whom use TLS.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asks {
    Password,
    Certificate,
}

/// A database on a server with the certificates, whose TLS is so restricted.
type Start = fn(&Certificates, Restricted, Asks) -> Result<TestDb>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Restricted {
    Not,
    /// TLS 1.2 without Diffie-Hellman.
    ToRsa,
}

fn on_mariadb(certificates: &Certificates, restricted: Restricted, asks: Asks) -> Result<TestDb> {
    let mut options = vec![
        format!("--ssl-ca={}", certificates.file("ca.pem").display()),
        format!("--ssl-cert={}", certificates.file("server.pem").display()),
        format!("--ssl-key={}", certificates.file("server.key").display()),
    ];
    if restricted == Restricted::ToRsa {
        options.extend(["--tls-version=TLSv1.2", RSA_MARIADB].map(str::to_owned));
    }
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let server = Arc::new(mariadb::Server::start_with(&options)?);
    let mut db = TestDb::on_mariadb(&server, "utf8mb4", "utf8mb4_bin")?;
    let require = if asks == Asks::Certificate { "X509" } else { "SSL" };
    db.sql(&format!(
        "CREATE USER tls@'%' IDENTIFIED BY 'secret' REQUIRE {require};
         GRANT ALL PRIVILEGES ON *.* TO tls@'%'"
    ));
    db.dsn = db.dsn.replace("//ezdfs:", "//tls:");
    Ok(db)
}

/// A database that lets nobody in without TLS.
pub(crate) fn mariadb_with_tls() -> Result<TestDb> {
    // The server has read its files when this ends.
    on_mariadb(&Certificates::make()?, Restricted::Not, Asks::Password)
}

const RSA_MARIADB: &str = "--ssl-cipher=AES256-GCM-SHA384:AES128-GCM-SHA256";

fn on_postgres(certificates: &Certificates, restricted: Restricted, asks: Asks) -> Result<TestDb> {
    let mut settings = vec![
        "ssl=on".to_owned(),
        format!("ssl_ca_file={}", certificates.file("ca.pem").display()),
        format!("ssl_cert_file={}", certificates.file("server.pem").display()),
        format!("ssl_key_file={}", certificates.file("server.key").display()),
    ];
    if restricted == Restricted::ToRsa {
        settings.push("ssl_max_protocol_version=TLSv1.2".to_owned());
        settings.push("ssl_ciphers=AES256-GCM-SHA384:AES128-GCM-SHA256".to_owned());
    }
    let server = Arc::new(postgres::Server::start_with(&settings)?);
    let mut db = TestDb::on_postgres(&server)?;
    let asked = if asks == Asks::Certificate { " clientcert=verify-ca" } else { "" };
    server.let_in(&format!("hostssl all tls 127.0.0.1/32 scram-sha-256{asked}"))?;
    db.dsn = db.dsn.replace("//ezdfs:", "//tls:");
    Ok(db)
}

fn is_refused(outcome: std::result::Result<(), Error>, what: &str) {
    let error = refused(outcome, ErrorKind::Unavailable);
    let told = format!("{error:#} {error:?}");
    assert!(!told.contains("secret"), "{what}: {told}");
}

fn modes(start: Start) -> Result {
    let certificates = Certificates::make()?;
    let db = start(&certificates, Restricted::Not, Asks::Password)?;
    let root = scratch();
    let try_with = |host: &str, mode: &str, ca: &str| {
        let ca = certificates.file(ca).display().to_string();
        stored(&with(&db, host, &format!("ssl-mode={mode}&ssl-ca={ca}")), root.path())
    };
    stored(&db.dsn, root.path())?;
    stored(&with(&db, "127.0.0.1", "ssl-mode=REQUIRED"), root.path())?;
    stored(&with(&db, "127.0.0.1", "sslmode=require"), root.path())?;
    for ca in ["ca.pem", "both.pem"] {
        try_with("127.0.0.1", "VERIFY_CA", ca)?;
        try_with("localhost", "VERIFY_IDENTITY", ca)?;
    }
    injected("a server's certificate is of X.509 version 1", "TLS, verified where that is asked");
    try_with("127.0.0.1", "REQUIRED", "other.pem")?;
    is_refused(try_with("127.0.0.1", "VERIFY_IDENTITY", "ca.pem"), "another host");
    is_refused(try_with("127.0.0.1", "VERIFY_CA", "other.pem"), "another authority");
    is_refused(try_with("localhost", "verify-full", "other.pem"), "another authority");
    is_refused(try_with("localhost", "VERIFY_CA", "none.pem"), "no such file");
    is_refused(
        stored(&with(&db, "localhost", "ssl-mode=VERIFY_CA"), root.path()),
        "the system's authorities",
    );
    injected("a server's certificate is another's", "refused where it is verified");
    Ok(())
}

fn rsa_key_exchange(start: Start) -> Result {
    let certificates = Certificates::make()?;
    let db = start(&certificates, Restricted::ToRsa, Asks::Password)?;
    let root = scratch();
    stored(&db.dsn, root.path())?;
    let ca = certificates.file("ca.pem").display().to_string();
    let verified = format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}");
    stored(&with(&db, "localhost", &verified), root.path())?;
    injected("a server exchanges keys by RSA alone", "TLS");
    Ok(())
}

fn client(start: Start) -> Result {
    let certificates = Certificates::make()?;
    let db = start(&certificates, Restricted::Not, Asks::Certificate)?;
    let root = scratch();
    let file = |name: &str| certificates.file(name).display().to_string();
    assert!(stored(&db.dsn, root.path()).is_err(), "let in without a certificate");
    for key in ["client.key", "client.rsa"] {
        let query = format!("ssl-cert={}&ssl-key={}", file("client.pem"), file(key));
        stored(&with(&db, "127.0.0.1", &query), root.path())?;
    }
    Ok(())
}

/// What is preferred is done without on a socket, as MySQL's own clients do.
fn socket() -> Result {
    let certificates = Certificates::make()?;
    let db = on_mariadb(&certificates, Restricted::Not, Asks::Password)?;
    let one = |statement: &str| db.sql(statement).concat().pop().flatten().unwrap_or_default();
    let (path, name) = (one("SELECT @@socket"), one("SELECT DATABASE()"));
    let root = scratch();
    let handshakes = |user: &str, mode: &str| -> Result<u64> {
        let count = || one("SHOW GLOBAL STATUS LIKE 'Ssl_finished_accepts'").parse::<u64>();
        let before = count()?;
        let dsn = format!("mysql://{user}:secret@localhost/{name}?socket={path}{mode}");
        stored(&dsn, root.path())?;
        // That of who counts is one.
        Ok(count()? - before - 1)
    };
    assert_eq!(handshakes("ezdfs", "")?, 0, "nobody asked for TLS on a socket");
    assert!(handshakes("ezdfs", "&ssl-mode=REQUIRED")? > 0, "no TLS where it is required");
    assert!(handshakes("tls", "")? > 0, "no TLS for who is let in by it alone");
    Ok(())
}

/// What is preferred is done without where only that is let in.
fn only_without_tls() -> Result {
    let certificates = Certificates::make()?;
    let server = Arc::new(postgres::Server::start_with(&[
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", certificates.file("server.pem").display()),
        format!("ssl_key_file={}", certificates.file("server.key").display()),
    ])?);
    let mut db = TestDb::on_postgres(&server)?;
    let root = scratch();
    server.let_in("hostnossl all tls 127.0.0.1/32 scram-sha-256")?;
    db.dsn = db.dsn.replace("//ezdfs:", "//tls:");
    stored(&db.dsn, root.path())?;
    let required = stored(&with(&db, "127.0.0.1", "sslmode=require"), root.path());
    refused(required, ErrorKind::InvalidConfig);
    Ok(())
}
