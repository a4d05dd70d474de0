//! Who visits the site: an editor with a session, or anybody who looks at pictures.

use std::io::Read;
use std::time::Duration;

use super::history::Content;
use crate::support::Result;
use crate::support::http::{Connection, Response};

/// Where pictures lie in URLs, and what the form calls them.
const PICTURES: &str = "/var/site/storage/images/cluster/";
const BOUNDARY: &str = "----a-boundary-that-no-picture-has";

/// Longer than anything waits behind the cache.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Client {
    port: u16,
    cookie: Option<String>,
}

impl Client {
    pub(super) fn new(port: u16) -> Self {
        Client { port, cookie: None }
    }

    /// Asks for a picture; `etag` is that of the one it has.
    pub(super) fn picture(&self, name: &str, etag: Option<&str>) -> Result<Response> {
        let condition = etag.map(|etag| ("If-None-Match", etag));
        self.ask("GET", &format!("{PICTURES}{name}"), condition.as_slice(), b"")
    }

    pub(super) fn get(&self, target: &str) -> Result<Response> {
        let cookie = self.cookie.as_deref().map(|cookie| ("Cookie", cookie));
        self.ask("GET", target, cookie.as_slice(), b"")
    }

    /// Its status; an editor who is not known any more logs in again.
    pub(super) fn store(&mut self, name: &str, content: &Content) -> Result<u16> {
        let bytes = content.bytes();
        let mut body = Vec::with_capacity(bytes.len() + 500);
        body.extend(part("name", ""));
        body.extend(name.as_bytes());
        body.extend(part("picture", "; filename=\"picture.gif\"\r\nContent-Type: image/gif"));
        body.extend(bytes);
        body.extend(format!("\r\n--{BOUNDARY}--\r\n").into_bytes());
        self.as_editor("/upload", &format!("multipart/form-data; boundary={BOUNDARY}"), &body)
    }

    pub(super) fn delete(&mut self, name: &str) -> Result<u16> {
        let body = format!("name={name}").into_bytes();
        self.as_editor("/delete", "application/x-www-form-urlencoded", &body)
    }

    fn as_editor(&mut self, target: &str, kind: &str, body: &[u8]) -> Result<u16> {
        if self.cookie.is_none() {
            self.log_in()?;
        }
        let cookie = self.cookie.clone().unwrap_or_default();
        let headers = [("Cookie", cookie.as_str()), ("Content-Type", kind)];
        let answer = self.ask("POST", target, &headers, body)?;
        if answer.status == 401 {
            self.cookie = None;
        }
        Ok(answer.status)
    }

    pub(super) fn log_in(&mut self) -> Result {
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        let answer = self.ask("POST", "/login", &headers, b"password=publish")?;
        if answer.status != 200 {
            return Err(format!("no login: {} {}", answer.status, answer.text()).into());
        }
        let cookies = answer.header_all("Set-Cookie");
        // The last one counts: the session has got another name with the login.
        let cookie = cookies.last().and_then(|cookie| cookie.split(';').next());
        self.cookie = Some(cookie.ok_or("a login without a session")?.to_owned());
        Ok(())
    }

    fn ask(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response> {
        let mut connection = Connection::open(self.port)?;
        connection.wait_for(PATIENCE)?;
        let length = body.len().to_string();
        let mut all = vec![("Connection", "close")];
        if method == "POST" {
            all.push(("Content-Length", &length));
        }
        connection.send(method, target, &[&all, headers].concat())?;
        connection.send_raw(body)?;
        let answer = connection.receive(method)?;
        // Behind the announced end nothing may come.
        let mut rest = Vec::new();
        connection.reader().read_to_end(&mut rest)?;
        if rest.is_empty() { Ok(answer) } else { Err("bytes after the end of an answer".into()) }
    }
}

fn part(name: &str, more: &str) -> Vec<u8> {
    format!("\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n")
        .into_bytes()
}
