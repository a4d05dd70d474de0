//! A mount that is gone while files are sent.

use std::fs;
use std::io::Read;

use crate::support::faults::injected;
use crate::support::http::{Connection, get};
use crate::support::process::wait_for;
use crate::support::{Group, Result, Servers};

use super::site::{Site, location, url};

pub(super) fn register(group: &mut Group) {
    group.add("who_goes_away_takes_no_file_from_others", client_gone);
}

/// One client's end says nothing of a file that is sent from memory, or from an open file.
fn client_gone(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let paths = ["images/small.png", "images/large.png"];
    let content = |path: &str| vec![b'a'; if path == paths[0] { 60_000 } else { 300_000 }];
    for path in paths {
        site.put(path, &content(path))?;
    }
    let slow = "location /slow/ { rewrite ^/slow(/.*) $1 break; ezdfs main; limit_rate 1k; }";
    let nginx = site.builder("cache_ttl 1h;").server(&location("")).server(slow).start()?;
    let ask = |path: &str| get(nginx.port(), &url(path));
    // The small one is in memory from then on.
    for _ in 0..10 {
        assert!(paths.iter().all(|path| ask(path).body == content(path)));
    }
    let (root, aside) = (site.root(), site.outside().join("aside"));
    fs::rename(&root, &aside)?;
    fs::create_dir(&root)?;
    for path in paths {
        let mut client = Connection::open(nginx.port())?;
        client.send("GET", &format!("/slow{}", url(path)), &[])?;
        client.reader().read_exact(&mut [0; 8])?;
        drop(client);
        let is_logged = || nginx.access_log().contains(&format!("GET /slow{} ", url(path)));
        wait_for("its end", is_logged)?;
        let answer = ask(path);
        assert_eq!(answer.status, 200, "{path} is gone for everybody");
        assert!(answer.body == content(path));
    }
    injected("nginx: a client goes away while it is sent a file", "others have it at once");
    Ok(())
}
