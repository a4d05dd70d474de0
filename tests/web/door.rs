//! The web servers that serve a site, for trials that are the same for each.

use std::path::Path;

use crate::support::apache::{self, Apache};
use crate::support::nginx::{self, Nginx};
use crate::support::{Need, Result};

use super::site::Site;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Nginx,
    Apache,
}

/// Which requests a store answers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    /// Those of pictures and drafts, by the expression that sites use.
    Images,
    Everything,
    /// Those beneath this path, which is taken away.
    Beneath(&'a str),
}

/// What else stands in the section that serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Also {
    Drafts,
    /// A day, by the server's own means.
    Expires,
}

impl Door {
    pub(crate) const ALL: [Self; 2] = [Self::Nginx, Self::Apache];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Apache => "apache",
        }
    }

    pub(crate) fn needs(self) -> [Need; 2] {
        match self {
            Self::Nginx => [Need::NGINX, Need::MODULE],
            Self::Apache => [Need::APACHE, Need::APACHE_MODULE],
        }
    }

    /// A server without a store.
    pub(crate) fn setup(self) -> Setup {
        match self {
            Self::Nginx => Setup::Nginx(Nginx::with_module()),
            Self::Apache => Setup::Apache(Apache::builder().module("expires")),
        }
    }

    /// A server that knows this site as the store `main`, and serves nothing yet.
    pub(crate) fn of(self, site: &Site, options: &str) -> Setup {
        self.setup().store("main", &site.options(options))
    }

    /// A server that serves the pictures of this site.
    pub(crate) fn serve(self, site: &Site, options: &str) -> Result<Server> {
        self.of(site, options).section(Place::Images, "main", &[]).start()
    }
}

/// A server that is not started yet.
#[derive(Debug)]
pub(crate) enum Setup {
    Nginx(nginx::Builder),
    Apache(apache::Builder),
}

impl Setup {
    /// For trials of httpd alone.
    pub(crate) fn apache(self) -> apache::Builder {
        match self {
            Self::Apache(builder) => builder,
            Self::Nginx(_) => unreachable!("it was asked for httpd"),
        }
    }

    /// Declares a store. Options are written as nginx has them: `cache_ttl 1h; table t;`.
    pub(crate) fn store(self, name: &str, options: &str) -> Self {
        match self {
            Self::Nginx(builder) => {
                Self::Nginx(builder.http(&format!("ezdfs_store {name} {{ {options} }}\n")))
            }
            Self::Apache(builder) => {
                let lines: String =
                    options.split(';').map(|option| format!("    {}\n", option.trim())).collect();
                let block = format!("<EzdfsStore {name}>\n{lines}</EzdfsStore>\n");
                Self::Apache(builder.main(&block))
            }
        }
    }

    /// Has a store answer requests.
    pub(crate) fn section(self, place: Place, store: &str, also: &[Also]) -> Self {
        let drafts = also.contains(&Also::Drafts);
        let expires = also.contains(&Also::Expires);
        match self {
            Self::Nginx(builder) => {
                let (location, strip) = match place {
                    Place::Images => (format!("~ {IMAGES}"), String::new()),
                    Place::Everything => ("/".to_owned(), String::new()),
                    Place::Beneath(path) => {
                        (format!("{path}/"), format!("rewrite ^{path}(/.*) $1 break;"))
                    }
                };
                let drafts = if drafts { "ezdfs_drafts on;" } else { "" };
                let expires = if expires { "expires 1d;" } else { "" };
                Self::Nginx(builder.server(&format!(
                    "location {location} {{ ezdfs {store}; {strip} {drafts} {expires} }}\n"
                )))
            }
            Self::Apache(builder) => {
                let (section, path, strip) = match place {
                    Place::Images => ("LocationMatch", IMAGES, String::new()),
                    Place::Everything => ("Location", "/", String::new()),
                    Place::Beneath(path) => {
                        ("Location", path, format!("EzdfsStripPrefix {path}\n"))
                    }
                };
                let drafts = if drafts { "EzdfsDrafts On\n" } else { "" };
                let expires = if expires {
                    "ExpiresActive On\nExpiresDefault \"access plus 1 day\"\n"
                } else {
                    ""
                };
                Self::Apache(builder.server(&format!(
                    "<{section} \"{path}\">\nEzdfs {store}\n{strip}{drafts}{expires}</{section}>\n"
                )))
            }
        }
    }

    /// Lets those who answer run as another user where the tests run as root.
    pub(crate) fn with_user_nobody(self) -> Self {
        match self {
            Self::Nginx(builder) => Self::Nginx(builder.user("nobody nogroup")),
            Self::Apache(builder) => Self::Apache(builder.user("nobody")),
        }
    }

    pub(crate) fn start(self) -> Result<Server> {
        Ok(match self {
            Self::Nginx(builder) => Server::Nginx(builder.start()?),
            Self::Apache(builder) => Server::Apache(builder.start()?),
        })
    }
}

const IMAGES: &str = "^/var/([^/]+/)?storage/images(-versioned)?/";

/// A running server.
#[derive(Debug)]
pub(crate) enum Server {
    Nginx(Nginx),
    Apache(Apache),
}

impl Server {
    pub(crate) fn port(&self) -> u16 {
        match self {
            Self::Nginx(server) => server.port(),
            Self::Apache(server) => server.port(),
        }
    }

    pub(crate) fn error_log(&self) -> String {
        match self {
            Self::Nginx(server) => server.error_log(),
            Self::Apache(server) => server.error_log(),
        }
    }

    /// Of one of the processes that answer.
    pub(crate) fn pid(&self) -> Option<u32> {
        match self {
            Self::Nginx(server) => server.worker_pids().first().copied(),
            Self::Apache(server) => server.child_pids().first().copied(),
        }
    }

    /// Where its logs are, which ends with it.
    pub(crate) fn dir(&self) -> &Path {
        match self {
            Self::Nginx(server) => server.dir(),
            Self::Apache(server) => server.dir(),
        }
    }
}
