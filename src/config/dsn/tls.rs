//! How far a server's identity matters: the modes of both families, and their files.

use std::path::PathBuf;

/// What is asked of the connection's encryption. The words of both families mean the
/// same in either.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum TlsMode {
    /// Never.
    Disabled,
    /// Where the server lets nobody in without; PostgreSQL alone has this.
    Allowed,
    /// Where the server has it, verifying nothing.
    #[default]
    Preferred,
    /// Always, verifying nothing: nobody reads along who only listens.
    Required,
    /// Always, with a certificate of one of the authorities.
    VerifyCa,
    /// The same, and it is for this host.
    VerifyIdentity,
}

impl TlsMode {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(match &*text.to_ascii_lowercase().replace('-', "_") {
            "disabled" | "disable" => TlsMode::Disabled,
            "allow" => TlsMode::Allowed,
            "preferred" | "prefer" => TlsMode::Preferred,
            "required" | "require" => TlsMode::Required,
            "verify_ca" => TlsMode::VerifyCa,
            "verify_identity" | "verify_full" => TlsMode::VerifyIdentity,
            _ => {
                return Err("ssl-mode is none of DISABLED, PREFERRED, REQUIRED, VERIFY_CA, \
                            VERIFY_IDENTITY; PostgreSQL's words are disable, allow, prefer, \
                            require, verify-ca, verify-full"
                    .to_owned());
            }
        })
    }
}

/// Mode and files, as far as they are given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    mode: Option<TlsMode>,
    /// Certificates of the authorities, in one file; without it those of the system.
    pub(crate) authorities: Option<PathBuf>,
    /// The client's own certificate and its key, for a server that asks for one.
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

impl Tls {
    /// Takes a parameter, in whatever way its name is written; says whether it was one
    /// of these. One that would be without effect is refused: who sets it believes to
    /// be protected by it.
    pub(super) fn take(&mut self, name: &str, value: &str) -> Result<bool, String> {
        let file = || Some(PathBuf::from(value)).filter(|path| !path.as_os_str().is_empty());
        match name {
            "sslmode" => self.mode = Some(TlsMode::parse(value)?),
            // libpq's word for those of the system.
            "sslrootcert" if value == "system" => self.authorities = None,
            "sslca" | "sslrootcert" => self.authorities = file(),
            "sslcert" => self.certificate = file(),
            "sslkey" => self.key = file(),
            "sslcompression" | "sslsni" => {}
            _ if name.starts_with("ssl") || name.starts_with("tls") => {
                return Err("has a parameter of TLS that is none of ssl-mode, ssl-ca, ssl-cert, \
                            ssl-key; PostgreSQL's words are sslmode, sslrootcert, sslcert, sslkey"
                    .to_owned());
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        match self.certificate.is_some() == self.key.is_some() {
            true => Ok(()),
            false => Err("ssl-cert and ssl-key go together".to_owned()),
        }
    }

    /// Whether it is said how.
    pub(crate) fn is_given(&self) -> bool {
        self.mode.is_some() || self.authorities.is_some()
    }

    /// Who names authorities wants them to be asked.
    pub(crate) fn mode(&self) -> TlsMode {
        let unsaid = match self.authorities {
            Some(_) => TlsMode::VerifyCa,
            None => TlsMode::default(),
        };
        self.mode.unwrap_or(unsaid)
    }
}
