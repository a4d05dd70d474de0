//! `nginx -t`: what passes, and what each mistake is told.

use std::fs;

use crate::support::http::get;
use crate::support::nginx::Nginx;
use crate::support::{Group, Result, Servers};

use super::site::{Site, location, url};

pub(super) fn register(group: &mut Group) {
    group.add("every_mistake_is_named", |_| every_mistake());
    group.add("every_option_is_taken", |_| every_option());
    group.add("dsn_comes_from_file_or_environment", dsn_from_elsewhere);
    group.add("store_may_follow_its_use", store_may_follow_its_use);
    group.add("location_is_not_inherited", location_is_not_inherited);
    group.add("nothing_is_asked_before_the_first_request", |_| nothing_is_asked());
}

const DSN: &str = "dsn mysql://ezdfs:hunter2@127.0.0.1:3306/ezdfs;";
const ROOT: &str = "root /mnt/nfs;";

/// What goes into `http` and into the server, and what the message must name.
type Mistake<'a> = (&'a str, &'a str, &'a [&'a str]);

/// `STORE` stands for a correct store `main`, `DSN` and `ROOT` for what it needs.
const MISTAKES: &[Mistake] = &[
    ("ezdfs_store main { DSN ROOT tabel files; }", "", &["main", "tabel", "unknown option"]),
    ("ezdfs_store main { DSN ROOT cache-ttl 5s; }", "", &["main", "cache-ttl", "cache_ttl"]),
    ("ezdfs_store main { DSN ROOT cache_ttl soon; }", "", &["main", "cache_ttl", "soon"]),
    ("ezdfs_store main { DSN ROOT cache_size -1; }", "", &["main", "cache_size"]),
    ("ezdfs_store main { DSN ROOT max_connections 0; }", "", &["main", "max_connections"]),
    ("ezdfs_store main { DSN ROOT query_timeout 0; }", "", &["main", "query_timeout"]),
    ("ezdfs_store main { DSN ROOT table 'a; DROP'; }", "", &["main", "table"]),
    ("ezdfs_store main { DSN ROOT dir_mode 0640; }", "", &["main", "dir_mode"]),
    ("ezdfs_store main { DSN ROOT name_prefix a/../b; }", "", &["main", "name_prefix"]),
    ("ezdfs_store main { DSN ROOT table; }", "", &["main", "table", "one value"]),
    ("ezdfs_store main { DSN ROOT table a b; }", "", &["main", "table", "one value"]),
    ("ezdfs_store main { DSN ROOT table ''; }", "", &["main", "table"]),
    ("ezdfs_store main { ROOT }", "", &["main", "dsn", "required"]),
    ("ezdfs_store main { DSN }", "", &["main", "root", "required"]),
    ("ezdfs_store main { }", "", &["main", "required"]),
    ("ezdfs_store main { DSN root mnt/nfs; }", "", &["main", "root", "absolute"]),
    ("ezdfs_store main { dsn oracle://u:hunter2@h/d; ROOT }", "", &["main", "dsn", "postgres"]),
    ("ezdfs_store main { dsn mysql://u:hunter2@h:x/d; ROOT }", "", &["main", "dsn"]),
    ("ezdfs_store main { dsn mysql://u:hunter2@h; ROOT }", "", &["main", "dsn"]),
    ("ezdfs_store main { dsn u:hunter2@h/d; ROOT }", "", &["main", "dsn"]),
    ("ezdfs_store main { dsn mysql://u:hunter2@h/d x; ROOT }", "", &["main", "dsn", "one value"]),
    ("ezdfs_store main { mysql://u:hunter2@h/d; ROOT }", "", &["main"]),
    ("ezdfs_store main { mysql://u:hunter2@h/d x; ROOT }", "", &["main"]),
    ("ezdfs_store main { dsn=mysql://u:hunter2@h/d; ROOT }", "", &["main"]),
    ("ezdfs_store main { DSN DSN ROOT }", "", &["main", "dsn", "duplicate"]),
    ("ezdfs_store main { dsn file:/no/such/file; ROOT }", "", &["main", "dsn", "/no/such/file"]),
    ("ezdfs_store main { dsn file:/; ROOT }", "", &["main", "dsn"]),
    ("ezdfs_store main { dsn env:EZDFS_TEST_UNSET; ROOT }", "", &["main", "EZDFS_TEST_UNSET"]),
    ("ezdfs_store main { DSN ROOT inner { } }", "", &["unexpected \"{\""]),
    ("ezdfs_store main { DSN ROOT include /no/such/file; }", "", &["/no/such/file"]),
    ("ezdfs_store main { DSN ROOT", "", &["unexpected \"{\""]),
    ("STORE STORE", "", &["duplicate", "ezdfs_store", "main"]),
    ("ezdfs_store '' { DSN ROOT }", "", &["empty", "ezdfs_store"]),
    ("ezdfs_store { DSN ROOT }", "", &["number of arguments", "ezdfs_store"]),
    ("ezdfs_store main;", "", &["ezdfs_store", "has no opening"]),
    ("STORE", "ezdfs_store other { DSN ROOT }", &["ezdfs_store", "not allowed here"]),
    ("STORE", "ezdfs main;", &["\"ezdfs\"", "not allowed here"]),
    ("STORE", "location / { ezdfs other; }", &["unknown ezdfs_store", "\"other\"", "test.conf:"]),
    ("STORE", "location / { ezdfs main; ezdfs main; }", &["\"ezdfs\"", "duplicate"]),
    ("STORE", "location / { ezdfs; }", &["\"ezdfs\"", "number of arguments"]),
    ("STORE", "location / { ezdfs main other; }", &["\"ezdfs\"", "number of arguments"]),
    ("STORE", "location / { ezdfs main; ezdfs_drafts maybe; }", &["ezdfs_drafts", "maybe"]),
    ("STORE", "ezdfs_drafts on; ezdfs_drafts on;", &["ezdfs_drafts", "duplicate"]),
    ("STORE", "location / { ezdfs main; ezdfs_threads 4; }", &["ezdfs_threads", "4"]),
];

fn every_mistake() -> Result {
    for (http, server, named) in MISTAKES {
        let http = http.replace("STORE", "ezdfs_store main { DSN ROOT }\n");
        let http = http.replace("DSN", DSN).replace("ROOT", ROOT);
        let (passes, output) = Nginx::with_module().http(&http).server(server).test()?;
        assert!(!passes, "{http} {server} passes: {output}");
        assert!(output.contains("[emerg]"), "{http} {server}: {output}");
        for part in *named {
            assert!(output.contains(part), "{http} {server}: no {part} in {output}");
        }
        assert!(!output.contains("hunter2"), "{http} {server}: {output}");
    }
    Ok(())
}

fn every_option() -> Result {
    let options = "table dfs.ibexa_dfs_file; name_prefix var/site/storage; url_prefix /storage;
        file_mode 0664; dir_mode 0775; durability rename; connect_timeout 500ms;
        query_timeout 1m; mount_timeout 5; max_connections 8; cache_size 0; cache_files 10;
        cache_content 1m; cache_ttl 0;
        cache_negative_ttl 100ms; stale_if_error 1h;";
    let builder = Nginx::with_module();
    let file = builder.dir().join("options.conf");
    fs::write(&file, format!("{DSN} {options}"))?;
    let file = file.display();
    let stores = format!(
        "ezdfs_store inline {{ {DSN} {ROOT} {options} }}
         ezdfs_store 'with space' {{ {ROOT} include {file}; }}"
    );
    let locations = "location / { ezdfs inline; if ($arg_a) { expires 1d; } }
        location /a { ezdfs 'with space'; ezdfs_drafts on; ezdfs_threads off; limit_except GET { deny all; } }";
    let (passes, output) = builder.http(&stores).server(locations).test()?;
    assert!(passes, "{output}");
    Ok(())
}

fn dsn_from_elsewhere(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/a.png", b"a")?;
    let builder = Nginx::with_module();
    let file = builder.dir().join("dsn");
    fs::write(&file, format!("{}\n", site.db.dsn))?;
    let (root, file) = (site.root(), file.display());
    let store = format!("ezdfs_store main {{ dsn file:{file}; root {}; }}\n", root.display());
    let nginx = builder.http(&store).server(&location("")).start()?;
    assert_eq!(get(nginx.port(), &url("images/a.png")).status, 200);

    // HOME is set wherever the tests run, and is no DSN: it is read, and not shown.
    let store = format!("ezdfs_store main {{ dsn env:HOME; root {}; }}\n", root.display());
    let (passes, output) = Nginx::with_module().http(&store).test()?;
    assert!(!passes && output.contains("\"HOME\"") && output.contains("not a DSN"), "{output}");
    Ok(())
}

fn store_may_follow_its_use(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/a.png", b"a")?;
    let builder = Nginx::with_module();
    let port = builder.port();
    let first = format!("server {{ listen 127.0.0.1:{port}; {} }}\n", location(""));
    let http = first + &site.block("main", "");
    let nginx = builder.http(&http).server("server_name other;").start()?;
    assert_eq!(get(nginx.port(), &url("images/a.png")).status, 200);
    Ok(())
}

/// As a `proxy_pass` is not, but for the blocks that only refine their location.
fn location_is_not_inherited(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/a.png", b"a")?;
    site.put("images/refined/a.png", b"a")?;
    site.put("images/nested/a.png", b"a")?;
    let locations = "location /var/ {
        ezdfs main;
        if ($arg_refined) { add_header X-Refined yes; }
        limit_except GET { deny all; }
        location /var/site/storage/images/nested/ { }
    }";
    let nginx = site.builder("").server(locations).start()?;
    let answer = get(nginx.port(), &(url("images/refined/a.png") + "?refined=1"));
    assert_eq!((answer.status, answer.header("X-Refined")), (200, Some("yes")));
    assert_eq!(get(nginx.port(), &url("images/a.png")).status, 200);
    assert_eq!(get(nginx.port(), &url("images/nested/a.png")).status, 404);
    Ok(())
}

/// A database that is away neither fails the configuration nor the start.
fn nothing_is_asked() -> Result {
    let port = crate::support::process::free_port();
    let store = format!("ezdfs_store main {{ dsn mysql://u:p@127.0.0.1:{port}/d; {ROOT} }}");
    let builder = Nginx::with_module().http(&store).server("return 200 up;");
    let (passes, output) = builder.test()?;
    assert!(passes, "{output}");
    let nginx = builder.start()?;
    assert_eq!(get(nginx.port(), "/").text(), "up");
    assert!(!nginx.error_log().contains("ezdfs"), "{}", nginx.error_log());
    Ok(())
}
