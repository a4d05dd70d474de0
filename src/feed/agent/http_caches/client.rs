//! Asks one cache, over a connection that stays open.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use super::queue::Forget;
use crate::error::{Error, ErrorKind, Result};

/// How long a cache may take to answer, a connection included.
const PATIENCE: Duration = Duration::from_secs(2);

/// As the caching of the kernels has it, and FOSHttpCache.
const TOKEN: HeaderName = HeaderName::from_static("x-invalidate-token");

/// Regular expressions of the hosts and paths that a BAN is of, as FOSHttpCache has them.
const BANNED_HOST: HeaderName = HeaderName::from_static("x-host");
const BANNED_PATH: HeaderName = HeaderName::from_static("x-url");

/// Where a cache listens: `http://varnish:6081`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    host: String,
    port: u16,
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        const FORM: &str = "is not http://HOST or http://HOST:PORT";
        let url = Url::parse(text).map_err(|_| FORM)?;
        let has_more = url.path() != "/"
            || url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
            || url.password().is_some();
        match (url.scheme(), url.host_str(), url.port_or_known_default()) {
            ("http", Some(host), Some(port)) if !has_more => {
                Ok(Address { host: host.to_owned(), port })
            }
            _ => Err(FORM),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}", self.host, self.port)
    }
}

/// By which a cache tells these requests from those of others.
const AGENT: &str = concat!("ezdfs/", env!("CARGO_PKG_VERSION"));

type Sender = SendRequest<Empty<Bytes>>;

pub(super) struct Client {
    address: Address,
    hosts: Vec<HeaderValue>,
    token: Option<HeaderValue>,
    /// How the paths of all files begin.
    beginning: String,
    open: Option<Sender>,
}

impl Client {
    pub(super) fn new(
        address: Address,
        hosts: Vec<HeaderValue>,
        mut token: Option<HeaderValue>,
        beginning: String,
    ) -> Self {
        if let Some(token) = &mut token {
            token.set_sensitive(true);
        }
        Client { address, hosts, token, beginning, open: None }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Has it forget something, under each host.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] where it does not answer, [`ErrorKind::Denied`] where it refuses.
    pub(super) async fn forget(&mut self, what: &Forget) -> Result<()> {
        for host in self.hosts.clone() {
            let request = || self.request(what, &host);
            let request = request().map_err(|error| {
                let reason = "is no request";
                let subject = self.address.to_string();
                Error::new(ErrorKind::Internal, "purge", subject, reason).with_source(error)
            })?;
            match timeout(PATIENCE, self.ask(request)).await {
                Ok(asked) => asked?,
                Err(_) => {
                    self.open = None;
                    return Err(self.unavailable("does not answer"));
                }
            }
        }
        Ok(())
    }

    fn request(
        &self,
        what: &Forget,
        host: &HeaderValue,
    ) -> hyper::http::Result<Request<Empty<Bytes>>> {
        let (method, path) = match what {
            Forget::All => ("BAN", &*self.beginning),
            Forget::Path(path) => ("PURGE", &**path),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, host)
            .header(USER_AGENT, AGENT);
        if *what == Forget::All {
            let host = String::from_utf8_lossy(host.as_bytes());
            request = request
                .header(BANNED_HOST, format!("^{}$", escaped(&host)))
                .header(BANNED_PATH, format!("^{}", escaped(&self.beginning)));
        }
        if let Some(token) = &self.token {
            request = request.header(TOKEN, token);
        }
        request.body(Empty::new())
    }

    async fn ask(&mut self, request: Request<Empty<Bytes>>) -> Result<()> {
        let method = request.method().clone();
        let mut sender = match self.open.take() {
            Some(open) => open,
            None => self.connect().await?,
        };
        // One that the cache has closed meanwhile.
        if sender.ready().await.is_err() {
            sender = self.connect().await?;
        }
        let failed = |error| self.unavailable("does not answer").with_source(error);
        let answer = match sender.try_send_request(request).await {
            Ok(answer) => answer,
            // It was closed just now, and nothing of the request was sent.
            Err(mut refused) => match refused.take_message() {
                Some(request) => {
                    sender = self.connect().await?;
                    sender.send_request(request).await.map_err(failed)?
                }
                None => return Err(failed(refused.into_error())),
            },
        };
        let status = answer.status();
        answer.into_body().collect().await.map_err(failed)?;
        self.open = Some(sender);
        self.judge(&method, status)
    }

    /// Some caches answer that they had nothing of the kind.
    fn judge(&self, method: &Method, status: StatusCode) -> Result<()> {
        match status {
            StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::PRECONDITION_FAILED => Ok(()),
            status if status.is_success() => Ok(()),
            status => {
                let reason = format!("answers {method} with {status}");
                Err(Error::new(ErrorKind::Denied, "purge", self.address.to_string(), reason))
            }
        }
    }

    async fn connect(&self) -> Result<Sender> {
        let Address { host, port } = &self.address;
        let host = host.trim_matches(['[', ']']);
        let stream = TcpStream::connect((host, *port))
            .await
            .map_err(|error| self.unavailable("cannot be reached").with_source(error))?;
        let _ = stream.set_nodelay(true);
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.unavailable("does not answer").with_source(error))?;
        // It ends with the sender; how is told to who sends.
        tokio::spawn(connection);
        Ok(sender)
    }

    fn unavailable(&self, reason: &'static str) -> Error {
        Error::new(ErrorKind::Unavailable, "purge", self.address.to_string(), reason)
    }
}

/// As a regular expression that is of this text alone.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if "\\.+*?()[]{}|^$".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_that_of_a_server_and_no_more() {
        let shown = |text: &str| text.parse::<Address>().map(|address| address.to_string());
        assert_eq!(shown("http://varnish:6081").unwrap(), "http://varnish:6081");
        assert_eq!(shown("http://10.0.0.1/").unwrap(), "http://10.0.0.1:80");
        assert_eq!(shown("http://[::1]:6081").unwrap(), "http://[::1]:6081");
        for text in ["varnish:6081", "https://varnish", "http://v/x", "http://u:p@v", "http://v?a"]
        {
            shown(text).expect_err(text);
        }
    }

    #[test]
    fn a_ban_is_of_this_host_and_path_alone() {
        assert_eq!(escaped("www.example.com:80"), "www\\.example\\.com:80");
        assert_eq!(escaped("/var/a(1)/"), "/var/a\\(1\\)/");
    }
}
