//! The alert rules: what they say of a real Prometheus' samples, and of its own tool's.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use ezdfs::{CreateOptions, FileId, Options, Store};

use crate::support::http::get;
use crate::support::metrics::LOCATION;
use crate::support::nfs_client::{Call, NfsClient};
use crate::support::nginx::Nginx;
use crate::support::process::scratch;
use crate::support::prometheus::Prometheus;
use crate::support::{Need, Result, Trials, mariadb};

pub(crate) const PROGRAMS: Need = Need::Programs(&["prometheus", "promtool"]);

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("prometheus", &[PROGRAMS]);
    group.add("its_tool_finds_the_rules_right", |_| rules());
    let needs = [PROGRAMS, Need::NGINX, Need::MODULE, Need::MARIADB, Need::NfsClient];
    let mut group = trials.group("prometheus", &needs);
    group.add("a_mount_and_a_database_that_fail_are_alerts", |_| failures());
}

fn rules() -> Result {
    let contrib = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/prometheus");
    for arguments in [["check", "rules", "ezdfs.rules.yml"], ["test", "rules", "ezdfs.test.yml"]] {
        let output = Command::new("promtool").args(arguments).current_dir(&contrib).output()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

fn failures() -> Result {
    let server = Arc::new(mariadb::Server::start()?);
    let dsn = server.dsn(&server.create_database("utf8mb4", "utf8mb4_bin")?);
    let tree = scratch();
    let mut mount = NfsClient::mount(tree.path())?;
    let root = mount.at().to_string_lossy().into_owned();
    let mut options = Options::builder();
    options.set("dsn", &dsn)?.set("root", &root)?;
    let store = Store::new(options.build()?);
    store.create_schema()?;
    for picture in ["a.png", "b.png"] {
        let id = FileId::parse(&format!("var/site/storage/images/{picture}"))?;
        store.create(&id, &mut &b"bytes"[..], &CreateOptions::default())?;
    }
    let block =
        format!("ezdfs_store main {{ dsn {dsn}; root {root}; mount_timeout 300ms; cache_ttl 0; }}");
    let nginx = Nginx::with_module()
        .http(&block)
        .server("location /var/ { ezdfs main; }")
        .server(LOCATION)
        .start()?;
    let ask = |picture| get(nginx.port(), &format!("/var/site/storage/images/{picture}")).status;
    assert_eq!(ask("a.png"), 200);
    let prometheus = Prometheus::scraping(&[nginx.port()])?;
    prometheus.until_it_scrapes()?;
    assert!(prometheus.alerts().is_empty(), "{:?}", prometheus.alerts());

    mount.hang(&[Call::Lookup, Call::Open])?;
    assert_eq!(ask("a.png"), 503);
    prometheus.until_fires("EzdfsMountHangs")?;
    mount.heal()?;
    assert_eq!(ask("a.png"), 200);
    prometheus.until_quiet()?;

    server.stop();
    assert_eq!(ask("b.png"), 503);
    // A rate needs two samples between which something has happened.
    let away = || -> Result {
        for _ in 0..30 {
            assert_eq!(ask("b.png"), 503);
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        Ok(())
    };
    away()?;
    prometheus.until_fires("EzdfsDatabaseAway")?;
    away()?;
    prometheus.until_fires("EzdfsUnavailable")?;
    server.restart_on_same_port()?;
    crate::support::process::wait_for("the database", || ask("b.png") == 200)?;
    prometheus.until_quiet()
}
