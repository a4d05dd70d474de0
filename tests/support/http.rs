//! A raw HTTP/1.1 client: sends what it is told, byte for byte, and hides nothing of the answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};

use super::Result;

/// An answer that does not come fails the trial instead of hanging the run.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Request headers.
pub type Headers<'a> = &'a [(&'a str, &'a str)];

/// A response, its headers in the order of the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// The value of the first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_all(name).first().copied()
    }

    pub fn header_all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Asks once, on a connection that the server closes after the answer.
///
/// Bytes after the announced end of the answer are an error.
#[track_caller]
pub fn request(port: u16, method: &str, target: &str, headers: Headers) -> Response {
    let ask = || -> Result<Response> {
        let mut connection = Connection::open(port)?;
        connection.send(method, target, &[&[("Connection", "close")], headers].concat())?;
        let response = connection.receive(method)?;
        let mut rest = Vec::new();
        connection.stream.read_to_end(&mut rest)?;
        if rest.is_empty() {
            Ok(response)
        } else {
            Err(format!("{} bytes after the end of {response:?}", rest.len()).into())
        }
    };
    ask().unwrap_or_else(|e| panic!("{method} {target}: {e}"))
}

#[track_caller]
pub fn get(port: u16, target: &str) -> Response {
    request(port, "GET", target, &[])
}

#[track_caller]
pub fn head(port: u16, target: &str) -> Response {
    request(port, "HEAD", target, &[])
}

/// A connection that may carry several requests.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Waits so long for an answer, in place of half a minute.
    pub fn wait_for(&self, time: Duration) -> Result {
        Ok(self.stream.get_ref().set_read_timeout(Some(time))?)
    }

    /// Closes it so that the server hears of it at once.
    pub fn reset(self) -> Result {
        let at_once = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        Ok(setsockopt(self.stream.get_ref(), sockopt::Linger, &at_once)?)
    }

    /// Sends a request without a body. `Host: localhost` unless `headers` name one.
    pub fn send(&mut self, method: &str, target: &str, headers: Headers) -> Result {
        let mut head = format!("{method} {target} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str("Host: localhost\r\n");
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        self.send_raw(head.as_bytes())
    }

    pub fn send_raw(&mut self, bytes: &[u8]) -> Result {
        Ok(self.stream.get_mut().write_all(bytes)?)
    }

    /// Reads the answer to a request with `method`.
    pub fn receive(&mut self, method: &str) -> Result<Response> {
        let line = self.line()?;
        let mut parts = line.splitn(3, ' ');
        let (version, status) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        if !version.starts_with("HTTP/1.") {
            return Err(format!("no status line: {line:?}").into());
        }
        let status = status.parse()?;
        let headers = self.headers()?;
        let mut response = Response { status, headers, body: Vec::new() };
        response.body = self.body(method, &response)?;
        Ok(response)
    }

    /// Sends a request and reads its answer.
    pub fn request(&mut self, method: &str, target: &str, headers: Headers) -> Result<Response> {
        self.send(method, target, headers)?;
        self.receive(method)
    }

    /// Bytes as they come.
    pub fn reader(&mut self) -> &mut impl BufRead {
        &mut self.stream
    }

    fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        let text = line.strip_suffix(b"\r\n").ok_or("the connection closed inside a line")?;
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    fn headers(&mut self) -> Result<Vec<(String, String)>> {
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(headers);
            }
            let (name, value) = line.split_once(':').ok_or(format!("no header: {line:?}"))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    fn body(&mut self, method: &str, response: &Response) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        if method == "HEAD" || response.status < 200 || matches!(response.status, 204 | 304) {
            return Ok(body);
        }
        let chunked = response.header("Transfer-Encoding").is_some_and(|te| te == "chunked");
        if chunked {
            while let length @ 1.. = usize::from_str_radix(self.line()?.trim(), 16)? {
                body.extend(self.exactly(length)?);
                self.line()?;
            }
            self.headers()?;
        } else if let Some(length) = response.header("Content-Length") {
            body = self.exactly(length.parse()?)?;
        } else {
            self.stream.read_to_end(&mut body)?;
        }
        Ok(body)
    }

    fn exactly(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
