//! The files of contrib in what is built as the kernels' vhost templates are: the same order and kind
//! of rules, in words of our own.

use std::fs;
use std::path::PathBuf;

use crate::support::http::get;
use crate::support::{Group, Result, Servers};

use super::door::{Door, Server, Setup};
use super::site::{STORAGE, Site, url};

pub(super) fn register(group: &mut Group, door: Door) {
    group.add("contrib_fits_the_templates", move |servers| contrib(door, servers));
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("contrib").join(name)
}

fn contrib(door: Door, servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/1/a.png", b"a")?;
    site.put("images/50%25.jpg", b"raw")?;
    site.put("images/a.php", b"<?php stored")?;
    let server = match door.of(&site, "") {
        Setup::Nginx(builder) => {
            let dir = builder.dir().to_owned();
            fs::write(dir.join("robots.txt"), "robots")?;
            fs::create_dir(dir.join("bundles"))?;
            fs::write(dir.join("bundles/a.css"), "style")?;
            Server::Nginx(builder.server(&nginx_template(&dir.display().to_string())).start()?)
        }
        Setup::Apache(builder) => {
            let htdocs = builder.dir().join("htdocs");
            fs::create_dir_all(htdocs.join("bundles"))?;
            fs::write(htdocs.join("robots.txt"), "robots")?;
            fs::write(htdocs.join("bundles/a.css"), "style")?;
            fs::write(htdocs.join("app.php"), "application")?;
            let template = apache_template(builder.port(), &htdocs.display().to_string());
            Server::Apache(builder.module("rewrite").module("setenvif").server(&template).start()?)
        }
    };
    for (target, body) in [
        (url("images/1/a.png"), "a"),
        (format!("/{STORAGE}/images/50%25.jpg"), "raw"),
        ("/robots.txt".to_owned(), "robots"),
        ("/bundles/a.css".to_owned(), "style"),
        ("/any/page".to_owned(), "application"),
        (url("original/doc.pdf"), "application"),
    ] {
        let answer = get(server.port(), &target);
        assert_eq!((answer.status, answer.text()), (200, body.to_owned()), "{target}");
    }
    assert_eq!(get(server.port(), &url("images/1/b.png")).status, 404);
    // nginx' template forbids them; whoever serves them, nobody runs them.
    let script = get(server.port(), &url("images/a.php"));
    assert!(matches!(script.status, 200 | 403), "{script:?}");
    Ok(())
}

/// Server-level rewrites, the last of which leads everything to the application.
fn nginx_template(dir: &str) -> String {
    format!(
        r#"root {dir};
        include {};
        rewrite "^/var/([^/]+/)?storage/images(-versioned)?/(.*)" "/var/$1storage/images$2/$3" break;
        rewrite "^/robots\.txt" "/robots.txt" break;
        rewrite "^/bundles/(.*)" "/bundles/$1" break;
        rewrite "^(.*)$" "/app.php$1" last;
        location / {{
            location ~ ^/app\.php(/|$) {{ return 200 application; }}
            location ~ ^/var/.*(?i)\.(php3?|phar|phtml|sh|exe|pl|bin)$ {{ return 403; }}
        }}
        "#,
        file("nginx/ezdfs_rewrite_dfsimage_params").display()
    )
}

/// With the rule for DFS on, which would send pictures to the application.
fn apache_template(port: u16, htdocs: &str) -> String {
    format!(
        r#"<VirtualHost 127.0.0.1:{port}>
        DocumentRoot {htdocs}
        <Directory {htdocs}>
            Options FollowSymLinks
            AllowOverride None
            Require all granted
        </Directory>
        SetEnvIf Request_URI ".*" BINARY_DATA_HANDLER=dfs
        RewriteEngine On
        RewriteRule .* - [E=HTTP_AUTHORIZATION:%{{HTTP:Authorization}}]
        RewriteCond %{{ENV:BINARY_DATA_HANDLER}} "dfs"
        RewriteRule ^/var/([^/]+/)?storage/images(-versioned)?/.* /app.php [L]
        RewriteRule ^/var/([^/]+/)?storage/images(-versioned)?/.* - [L]
        RewriteRule ^/robots\.txt - [L]
        RewriteRule ^/bundles/ - [L]
        RewriteRule ^/(.+/)?app\.php - [R=404,L]
        RewriteRule .* /app.php
        Include {}
        </VirtualHost>
        "#,
        file("apache/ezdfs.conf").display()
    )
}
