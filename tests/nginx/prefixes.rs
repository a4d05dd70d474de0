//! Where the names of the table, the paths on the mount and the URLs begin: three prefixes that have
//! nothing to do with each other. What is served is told by the name alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use ezdfs::serve::{Allow, Request};
use ezdfs::{ErrorKind, Options, Store};

use crate::support::http::{Connection, Response};
use crate::support::nginx::Nginx;
use crate::support::{Group, Result, Servers};

use super::site::{Row, Site, encode};

pub(super) fn register(group: &mut Group) {
    group.add("every_combination_serves_by_the_name", every_combination);
    group.add("library_serves_by_the_name", library);
}

/// What a name is of a storage directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Picture,
    Draft,
    Original,
    Nothing,
}
use Kind::{Draft, Nothing, Original, Picture};

/// `None` stands for a storage directory of the kernels, whatever the prefix; else the name is of a
/// kind only for the store that has this prefix, and nothing for others.
const NAMES: &[(&str, Kind, Option<&str>)] = &[
    ("var/site/storage/images/1/a.png", Picture, None),
    ("var/site/storage/images/a.png", Picture, None),
    ("var/site/storage/images/images/a.png", Picture, None),
    ("var/site/storage/images/original/a.png", Picture, None),
    ("var/site/storage/images-versioned/1/a.png", Draft, None),
    ("var/site/storage/images-versioned/images/a.png", Draft, None),
    ("var/site/storage/original/image/a.png", Original, None),
    ("var/site/storage/original/images/a.png", Original, None),
    ("var/site/storage/original/images-versioned/a.png", Original, None),
    ("var/storage/images/a.png", Picture, None),
    ("var/storage/original/a.png", Original, None),
    ("var/site/storage/imagesx/a.png", Nothing, None),
    ("var/site/storage/a.png", Nothing, None),
    ("var/site/cache/a.png", Nothing, None),
    ("var/site/storage-x/images/a.png", Nothing, None),
    ("var/site/images/a.png", Picture, Some("var/site")),
    ("var/images/a.png", Picture, Some("var")),
    ("var/original/a.png", Original, Some("var")),
    ("images/a.png", Picture, Some("")),
    ("original/a.png", Original, Some("")),
    ("files/images/a.png", Picture, Some("files")),
    ("files/images-versioned/a.png", Draft, Some("files")),
    ("files/original/a.png", Original, Some("files")),
    ("files/other/a.png", Nothing, Some("files")),
    ("backup/var/site/storage/images/a.png", Picture, Some("backup")),
    ("backup/var/site/storage/original/a.png", Original, Some("backup")),
    ("backup/var/site/log/images/a.png", Nothing, Some("backup")),
];

const NAME_PREFIXES: &[&str] = &[
    "",
    "var",
    "var/site",
    "var/site/storage",
    "var/site/storage/images",
    "var/site/storage/images-versioned",
    "var/site/storage/original",
    "files",
    "backup",
];

const URL_PREFIXES: &[&str] = &["", "/var/site/storage", "/pics", "http://img.example.com/"];

/// Where files lie beneath the mount: as the names say, or somewhere else.
const ROOTS: &[&str] = &["PREFIX", "elsewhere/NUMBER"];

/// One store of the table that all share.
#[derive(Debug, Clone, Copy)]
struct Combination {
    number: usize,
    name_prefix: &'static str,
    url_prefix: &'static str,
    root: &'static str,
}

impl Combination {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for name_prefix in NAME_PREFIXES {
            for url_prefix in URL_PREFIXES {
                for root in ROOTS {
                    all.push(Combination { number: all.len(), name_prefix, url_prefix, root });
                }
            }
        }
        all
    }

    fn root(self, site: &Site) -> PathBuf {
        let below = self.root.replace("PREFIX", self.name_prefix);
        site.root().join(below.replace("NUMBER", &self.number.to_string()))
    }

    /// The ids that the store has, and what each is.
    fn ids(self) -> BTreeMap<&'static str, Kind> {
        let beneath = |name: &'static str| match self.name_prefix {
            "" => Some(name),
            prefix => name.strip_prefix(prefix)?.strip_prefix('/'),
        };
        let kind = |kind, of: Option<&str>| match of {
            Some(prefix) if prefix != self.name_prefix => Nothing,
            _ => kind,
        };
        let names = NAMES.iter();
        names.filter_map(|(name, is, of)| Some((beneath(name)?, kind(*is, *of)))).collect()
    }

    fn name(self, id: &str) -> String {
        match self.name_prefix {
            "" => id.to_owned(),
            prefix => format!("{prefix}/{id}"),
        }
    }

    fn path(self, id: &str) -> String {
        let prefix = match self.url_prefix {
            absolute if absolute.starts_with("http:") => "",
            prefix => prefix,
        };
        format!("{prefix}/{}", encode(id))
    }
}

/// A table with all names; each store has the files that it can have.
fn site(servers: &Servers) -> Result<Site> {
    let site = Site::sqlite(servers)?;
    for (name, ..) in NAMES {
        site.row(Row::new(name, name.len()));
    }
    for combination in Combination::all() {
        for id in combination.ids().into_keys() {
            let file = combination.root(&site).join(id);
            fs::create_dir_all(file.parent().ok_or("no parent")?)?;
            fs::write(file, combination.name(id))?;
        }
    }
    Ok(site)
}

fn server(site: &Site) -> Result<Nginx> {
    let builder = Nginx::with_module();
    let port = builder.port();
    let mut http = "server_names_hash_bucket_size 128;\n".to_owned();
    for combination in Combination::all() {
        let Combination { number, name_prefix, url_prefix, .. } = combination;
        let (dsn, root) = (&site.db.dsn, combination.root(site));
        let root = root.display();
        http += &format!(
            "ezdfs_store s{number} {{ dsn {dsn}; root {root}; name_prefix '{name_prefix}';
                 url_prefix '{url_prefix}'; max_connections 1; }}
             server {{
                 listen 127.0.0.1:{port}; server_name s{number};
                 location / {{ ezdfs s{number}; }}
                 location /drafts/ {{
                     ezdfs s{number}; ezdfs_drafts on; rewrite ^/drafts(/.*)$ $1 break;
                 }}
                 location /go/ {{ rewrite ^/go(/.*)$ /protected$1 last; }}
                 location /protected/ {{
                     internal; ezdfs s{number}; rewrite ^/protected(/.*)$ $1 break;
                 }}
             }}\n"
        );
    }
    builder.http(&http).server("server_name localhost;").start()
}

/// The beginnings of paths that lead to locations, and what these serve.
const DOORS: &[(&str, &[Kind])] =
    &[("", &[Picture]), ("/drafts", &[Picture, Draft]), ("/go", &[Picture, Original])];

fn every_combination(servers: &Servers) -> Result {
    let site = site(servers)?;
    let nginx = server(&site)?;
    let mut served = 0;
    for combination in Combination::all() {
        let host = format!("s{}", combination.number);
        let mut connection = Connection::open(nginx.port())?;
        let mut ask = |path: &str| -> Result<Response> {
            connection.request("GET", path, &[("Host", &*host)])
        };
        for (id, kind) in combination.ids() {
            for (door, serves) in DOORS {
                let answer = ask(&(format!("{door}{}", combination.path(id))))?;
                let what = format!("{combination:?} {id} {door}: {}", answer.status);
                if serves.contains(&kind) {
                    assert_eq!(
                        (answer.status, answer.text()),
                        (200, combination.name(id)),
                        "{what}"
                    );
                    served += 1;
                } else {
                    assert_eq!(answer.status, 404, "{what}");
                }
            }
        }
        // What the prefix is not part of, and what climbs out of it.
        for path in ["/elsewhere/images/a.png", "/images/..%2f..%2foriginal/a.png"] {
            let status = ask(path)?.status;
            assert!(matches!(status, 400 | 404), "{combination:?} {path}: {status}");
        }
    }
    assert!(served > 500, "{served} answers with a file");
    Ok(())
}

fn library(servers: &Servers) -> Result {
    let site = site(servers)?;
    let doors = [
        (Allow::default(), &[Picture][..]),
        (Allow { drafts: true, originals: false }, &[Picture, Draft]),
        (Allow { drafts: false, originals: true }, &[Picture, Original]),
    ];
    for combination in Combination::all() {
        let mut options = Options::builder();
        options.set("dsn", &site.db.dsn)?.set("name_prefix", combination.name_prefix)?;
        options.set("url_prefix", combination.url_prefix)?;
        options.set("root", &combination.root(&site).to_string_lossy())?;
        let store = Store::new(options.build()?);
        for (id, kind) in combination.ids() {
            let path = combination.path(id);
            for (allow, serves) in doors {
                let request = Request { path: path.as_bytes(), raw_path: None, allow };
                let refused = store.serve(request).map(drop).map_err(|error| error.kind());
                let expected = if serves.contains(&kind) { Ok(()) } else { Err(ErrorKind::Denied) };
                assert_eq!(refused, expected, "{combination:?} {id} {allow:?}");
            }
        }
    }
    Ok(())
}
