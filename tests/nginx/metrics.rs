//! What is counted, and what logs say of it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::http::{Response, get, head, request};
use crate::support::metrics::{LOCATION, Metrics, lint};
use crate::support::nginx::{Builder, Nginx};
use crate::support::process::wait_for;
use crate::support::{Group, Result, Servers};

use super::site::{Site, dead_store, location, path, url};

const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2";

pub(super) fn register(group: &mut Group) {
    group.add("requests_are_counted_by_source_and_outcome", sources);
    group.add("who_opens_alone_is_counted_once", alone);
    group.add("logs_say_where_and_how_long", logs);
    group.add("workers_are_added_up_and_outlived", workers);
    group.add("a_store_for_itself", stores);
    group.add("openmetrics_on_request", formats);
    group.add("only_get_and_head", methods);
}

pub(super) fn register_promtool(group: &mut Group) {
    group.add("prometheus_finds_no_fault", promtool);
}

fn with_metrics(builder: Builder) -> Builder {
    builder.server(&(location("") + LOCATION))
}

fn scraped(nginx: &Nginx) -> Response {
    let answer = get(nginx.port(), "/metrics");
    assert_eq!(answer.status, 200);
    answer
}

fn metrics(nginx: &Nginx) -> Result<Metrics> {
    Metrics::parse(&scraped(nginx).text(), "main")
}

fn ask(nginx: &Nginx, target: &str) -> u16 {
    get(nginx.port(), target).status
}

fn sources(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put(&path(0), b"bytes")?;
    let nginx = with_metrics(site.builder("cache_ttl 1h; cache_negative_ttl 1h;")).start()?;
    for _ in 0..20 {
        assert_eq!(ask(&nginx, &url(&path(0))), 200);
    }
    let spelt = url("images/") + "a%2fb.png";
    for target in [url(&path(1)), url(&path(1)), url("images-versioned/1.png"), spelt] {
        assert_eq!(ask(&nginx, &target), 404, "{target}");
    }
    let counted = metrics(&nginx)?;
    let of = |source: &str| counted.get(&format!("ezdfs_lookups_total{{source=\"{source}\"}}"));
    assert_eq!((of("database"), of("cache")), (2.0, 1.0));
    assert!(of("kept") > 0.0 && of("memory") > 0.0, "{counted:?}");
    assert_eq!(of("kept") + of("memory"), 19.0);
    let of = |outcome| counted.get(&format!("ezdfs_operations_total{{outcome=\"{outcome}\"}}"));
    assert_eq!((of("ok"), of("not_found")), (20.0, 2.0));
    assert_eq!((of("denied"), of("invalid_name")), (1.0, 1.0));
    assert_eq!(counted.get("ezdfs_memory_files"), 1.0);
    assert!(counted.get("ezdfs_memory_bytes") > 5.0);
    assert!(counted.get("ezdfs_mount_call_seconds_count{call=\"read\"}") > 0.0);
    Ok(())
}

fn alone(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put(&path(0), b"bytes")?;
    let nginx = site.builder("cache_ttl 1h;").server(&location("directio 1;")).server(LOCATION);
    let nginx = nginx.start()?;
    for _ in 0..3 {
        assert_eq!(ask(&nginx, &url(&path(0))), 200);
    }
    let counted = metrics(&nginx)?;
    assert_eq!(counted.get("ezdfs_operations_total{outcome=\"ok\"}"), 3.0);
    Ok(())
}

fn logs(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put(&path(0), b"bytes")?;
    let format = "log_format ezdfs '$uri $ezdfs_status|$ezdfs_source|$ezdfs_time';\n";
    let builder = site.builder("cache_ttl 1h;").http(format);
    let nginx = builder
        .server(&location("access_log logs_ezdfs ezdfs;"))
        .server("location / { access_log logs_ezdfs ezdfs; }")
        .start()?;
    for target in [url(&path(0)), url(&path(0)), url(&path(1)), "/static".to_owned()] {
        ask(&nginx, &target);
    }
    let log = || std::fs::read_to_string(nginx.dir().join("logs_ezdfs")).unwrap_or_default();
    wait_for("the log", || log().lines().count() == 4)?;
    let log = log();
    let said: Vec<_> = log.lines().map(|line| line.split_once(' ').unwrap_or_default().1).collect();
    assert!(said[0].starts_with("ok|database|0."), "{said:?}");
    assert!(said[1].starts_with("ok|kept|0."), "{said:?}");
    assert!(said[2].starts_with("not_found|database|0."), "{said:?}");
    assert_eq!(said[3], "-|-|-");
    Ok(())
}

fn workers(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put(&path(0), b"bytes")?;
    let mut nginx = with_metrics(site.builder("cache_ttl 1h;").workers(2)).start()?;
    let ok = |nginx: &Nginx| {
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(
            metrics(nginx)?.get("ezdfs_operations_total{outcome=\"ok\"}"),
        )
    };
    for _ in 0..40 {
        assert_eq!(ask(&nginx, &url(&path(0))), 200);
    }
    assert_eq!(ok(&nginx)?, 40.0);

    let old = nginx.worker_pids();
    for pid in &old {
        kill(Pid::from_raw(i32::try_from(*pid)?), Signal::SIGKILL)?;
    }
    let is_replaced =
        |nginx: &Nginx| nginx.worker_pids().len() == 2 && nginx.worker_pids().is_disjoint(&old);
    wait_for("new workers", || is_replaced(&nginx))?;
    let after = metrics(&nginx)?;
    assert_eq!(after.get("ezdfs_operations_total{outcome=\"ok\"}"), 40.0);
    let gauges = ["ezdfs_connections", "ezdfs_files_kept", "ezdfs_rows_cached"];
    for gauge in gauges {
        assert_eq!(after.get(gauge), 0.0, "{gauge} of workers that are no more");
    }
    for _ in 0..10 {
        assert_eq!(ask(&nginx, &url(&path(0))), 200);
    }
    let old = nginx.worker_pids();
    nginx.reload(|_| {})?;
    wait_for("the old workers' end", || nginx.worker_pids().is_disjoint(&old))?;
    assert_eq!(ok(&nginx)?, 50.0);
    Ok(())
}

fn stores(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put(&path(0), b"bytes")?;
    let dead = dead_store(&site, "other");
    let nginx = with_metrics(site.builder("").http(&dead))
        .server("location ^~ /var/other/ { ezdfs other; }")
        .start()?;
    assert_eq!(ask(&nginx, &url(&path(0))), 200);
    assert_eq!(ask(&nginx, "/var/other/storage/images/a.png"), 503);
    let text = scraped(&nginx).text();
    let (main, other) = (Metrics::parse(&text, "main")?, Metrics::parse(&text, "other")?);
    let of = |metrics: &Metrics, outcome| {
        metrics.get(&format!("ezdfs_operations_total{{outcome=\"{outcome}\"}}"))
    };
    assert_eq!((of(&main, "ok"), of(&main, "unavailable")), (1.0, 0.0));
    assert_eq!((of(&other, "ok"), of(&other, "unavailable")), (0.0, 1.0));
    assert!(other.get("ezdfs_connections_refused_total") > 0.0);
    assert_eq!(text.matches("# TYPE ezdfs_operations_total counter").count(), 1);
    Ok(())
}

fn formats(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let nginx = with_metrics(site.builder("")).start()?;
    let plain = scraped(&nginx);
    assert_eq!(plain.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(!plain.text().contains("# EOF"));
    let accept = [("Accept", OPEN_METRICS)];
    let open = request(nginx.port(), "GET", "/metrics", &accept);
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(open.header("content-type"), Some(content_type));
    let text = open.text();
    assert!(text.ends_with("# EOF\n"));
    assert!(text.contains("# TYPE ezdfs_lookups counter\n"), "{text}");
    assert!(text.contains("ezdfs_lookups_total{store=\"main\",source=\"kept\"} 0\n"), "{text}");
    Ok(())
}

fn methods(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let nginx = with_metrics(site.builder("")).start()?;
    let refused = request(nginx.port(), "POST", "/metrics", &[]);
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")));
    let head = head(nginx.port(), "/metrics");
    assert_eq!((head.status, head.text().len()), (200, 0));
    let none = Nginx::with_module().server(LOCATION).start()?;
    assert_eq!(scraped(&none).text(), "");
    assert!(!none.error_log().contains("[alert]"), "{}", none.error_log());
    let bad = Nginx::with_module().server("location /m { ezdfs_metrics on; }");
    let (passes, said) = bad.test()?;
    assert!(!passes && said.contains("ezdfs_metrics"), "{said}");
    Ok(())
}

fn promtool(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put(&path(0), b"bytes")?;
    let nginx = with_metrics(site.builder("")).start()?;
    assert_eq!(ask(&nginx, &url(&path(0))), 200);
    assert_eq!(lint(&scraped(&nginx).text())?, "");
    Ok(())
}
