//! TLS by OpenSSL, in place of the crate `native-tls`, whose names sqlx uses.
//!
//! That crate is made for clients of web servers. The clients of databases do three
//! things otherwise, and users of theirs have files that only work so:
//!
//! - The file of authorities holds any number of certificates, as those of cloud
//!   providers do. Of such a file `native-tls` reads the first.
//! - Where authorities are named, they alone are trusted: who holds a certificate of a
//!   public authority is not the database.
//! - A client's key is any PEM that OpenSSL reads, not PKCS#8 alone.

use std::fmt;
use std::io::{self, Read, Write};

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    self, MidHandshakeSslStream, SslConnector, SslMethod, SslStream, SslVerifyMode,
};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509, X509VerifyResult};

/// Why there is no TLS.
#[derive(Debug)]
pub enum Error {
    /// A file could not be read as what it should be, or OpenSSL not be set up.
    OpenSsl(ErrorStack),
    /// The server, or its certificate, was not what it should be.
    Handshake(ssl::Error, X509VerifyResult),
    /// A file holds no certificate.
    NoCertificate,
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::OpenSsl(error) => error.fmt(f),
            Error::Handshake(error, X509VerifyResult::OK) => error.fmt(f),
            Error::Handshake(error, verified) => write!(f, "{error} ({verified})"),
            Error::NoCertificate => f.write_str("the file holds no certificate"),
        }
    }
}

impl From<ErrorStack> for Error {
    fn from(error: ErrorStack) -> Self {
        Error::OpenSsl(error)
    }
}

/// The certificates of one file.
#[derive(Debug, Clone)]
pub struct Certificate(Vec<X509>);

impl Certificate {
    /// Reads all that the text holds.
    ///
    /// # Errors
    ///
    /// It holds none, or something else.
    pub fn from_pem(pem: &[u8]) -> Result<Self> {
        let all = X509::stack_from_pem(pem)?;
        if all.is_empty() { Err(Error::NoCertificate) } else { Ok(Certificate(all)) }
    }
}

/// The client's own certificate, those that lead to its authority, and its key.
#[derive(Debug, Clone)]
pub struct Identity {
    key: PKey<Private>,
    chain: Vec<X509>,
}

impl Identity {
    /// The key may be in any form of PEM that has no passphrase.
    ///
    /// # Errors
    ///
    /// One of both is not what it should be.
    pub fn from_pkcs8(certificates: &[u8], key: &[u8]) -> Result<Self> {
        // Without an answer OpenSSL would ask at the terminal.
        let key = PKey::private_key_from_pem_callback(key, |_| Ok(0))?;
        let Certificate(chain) = Certificate::from_pem(certificates)?;
        Ok(Identity { key, chain })
    }
}

/// Collects what a connection is made with.
#[derive(Debug, Clone, Default)]
pub struct TlsConnectorBuilder {
    identity: Option<Identity>,
    authorities: Vec<X509>,
    accepts_any_certificate: bool,
    accepts_any_host: bool,
}

impl TlsConnectorBuilder {
    /// Whether nothing is verified.
    pub fn danger_accept_invalid_certs(&mut self, accepts: bool) -> &mut Self {
        self.accepts_any_certificate = accepts;
        self
    }

    /// Whether a certificate may be that of another host.
    pub fn danger_accept_invalid_hostnames(&mut self, accepts: bool) -> &mut Self {
        self.accepts_any_host = accepts;
        self
    }

    /// Trusts these, and no longer those of the system.
    pub fn add_root_certificate(&mut self, Certificate(all): Certificate) -> &mut Self {
        self.authorities.extend(all);
        self
    }

    /// What to show a server that asks who the client is.
    pub fn identity(&mut self, identity: Identity) -> &mut Self {
        self.identity = Some(identity);
        self
    }

    /// Reads the system's authorities, unless others were named.
    ///
    /// # Errors
    ///
    /// OpenSSL takes something of it not.
    pub fn build(&self) -> Result<TlsConnector> {
        let mut connector = SslConnector::builder(SslMethod::tls())?;
        if !self.authorities.is_empty() {
            let mut store = X509StoreBuilder::new()?;
            for authority in &self.authorities {
                store.add_cert(authority.clone())?;
            }
            connector.set_cert_store(store.build());
        }
        if let Some(Identity { key, chain }) = &self.identity {
            let mut chain = chain.iter();
            connector.set_certificate(chain.next().ok_or(Error::NoCertificate)?)?;
            connector.set_private_key(key)?;
            for certificate in chain {
                connector.add_extra_chain_cert(certificate.clone())?;
            }
        }
        if self.accepts_any_certificate {
            connector.set_verify(SslVerifyMode::NONE);
        }
        let accepts_any_host = self.accepts_any_certificate || self.accepts_any_host;
        Ok(TlsConnector { connector: connector.build(), accepts_any_host })
    }
}

/// Makes TLS of plain streams.
#[derive(Debug, Clone)]
pub struct TlsConnector {
    connector: SslConnector,
    accepts_any_host: bool,
}

impl TlsConnector {
    /// Begins with the system's authorities, and verifies everything.
    pub fn builder() -> TlsConnectorBuilder {
        TlsConnectorBuilder::default()
    }

    /// Shakes hands with a host, named or numbered.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::WouldBlock`] where the stream has to be waited for.
    pub fn connect<S: Read + Write>(
        &self,
        host: &str,
        stream: S,
    ) -> std::result::Result<TlsStream<S>, HandshakeError<S>> {
        let configured = self.connector.configure().map_err(Error::from)?;
        let shaken = configured.verify_hostname(!self.accepts_any_host).connect(host, stream);
        Ok(TlsStream(shaken?))
    }
}

/// Why there is no handshake, or not yet.
#[derive(Debug)]
pub enum HandshakeError<S> {
    /// There will be none.
    Failure(Error),
    /// The stream has to be waited for.
    WouldBlock(MidHandshakeTlsStream<S>),
}

impl<S> From<Error> for HandshakeError<S> {
    fn from(error: Error) -> Self {
        HandshakeError::Failure(error)
    }
}

impl<S> From<ssl::HandshakeError<S>> for HandshakeError<S> {
    fn from(error: ssl::HandshakeError<S>) -> Self {
        match error {
            ssl::HandshakeError::SetupFailure(error) => Error::from(error).into(),
            ssl::HandshakeError::WouldBlock(stream) => {
                HandshakeError::WouldBlock(MidHandshakeTlsStream(stream))
            }
            ssl::HandshakeError::Failure(stream) => {
                let verified = stream.ssl().verify_result();
                Error::Handshake(stream.into_error(), verified).into()
            }
        }
    }
}

/// A handshake that waits for the stream.
#[derive(Debug)]
pub struct MidHandshakeTlsStream<S>(MidHandshakeSslStream<S>);

impl<S: Read + Write> MidHandshakeTlsStream<S> {
    /// The plain stream.
    pub fn get_mut(&mut self) -> &mut S {
        self.0.get_mut()
    }

    /// Goes on with it.
    ///
    /// # Errors
    ///
    /// As [`TlsConnector::connect`].
    pub fn handshake(self) -> std::result::Result<TlsStream<S>, HandshakeError<S>> {
        Ok(TlsStream(self.0.handshake()?))
    }
}

/// A stream that nobody else reads.
#[derive(Debug)]
pub struct TlsStream<S>(SslStream<S>);

impl<S: Read + Write> TlsStream<S> {
    /// The plain stream.
    pub fn get_mut(&mut self) -> &mut S {
        self.0.get_mut()
    }

    /// Says good-bye, and does not wait for an answer. A server that has heard it in its
    /// own protocol may be gone already.
    ///
    /// # Errors
    ///
    /// `WouldBlock`, where the stream has to be waited for.
    pub fn shutdown(&mut self) -> io::Result<()> {
        match self.0.shutdown().map_err(ssl::Error::into_io_error) {
            Err(Ok(error)) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }
}

impl<S: Read + Write> Read for TlsStream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<S: Read + Write> Write for TlsStream<S> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
