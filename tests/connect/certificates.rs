//! Certificates, as the manuals of the databases make them: `openssl x509 -req` without
//! extensions gave version 1 for decades.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::process::{run, scratch};
use crate::support::{Result, postgres};

/// An authority with a server and a client, and another authority.
pub(super) struct Certificates(TempDir);

impl Certificates {
    pub(super) fn make() -> Result<Self> {
        let made = Certificates(scratch());
        // Without the system's, which adds extensions.
        std::fs::write(made.file("req.cnf"), "[req]\ndistinguished_name = dn\n[dn]\n")?;
        // Newer versions of openssl have to be asked for version 1, older ones cannot be.
        let signing = match made.openssl("req -help")?.contains("-x509v1") {
            true => "req -config req.cnf -x509v1",
            false => "x509 -req",
        };
        for name in ["ca", "other"] {
            made.openssl(&format!(
                "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.pem"
            ))?;
        }
        for (name, host) in [("server", "localhost"), ("client", "client")] {
            made.openssl(&format!(
                "req -newkey rsa:2048 -nodes -subj /CN={host} -keyout {name}.key -out {name}.csr"
            ))?;
            made.openssl(&format!(
                "{signing} -days 2 -CA ca.pem -CAkey ca.key -set_serial 1 -in {name}.csr -out {name}.pem"
            ))?;
        }
        let text = made.openssl("x509 -noout -text -in server.pem")?;
        assert!(text.contains("Version: 1"), "{text}");
        // As older versions of openssl write a key.
        made.openssl("rsa -traditional -in client.key -out client.rsa")?;
        let both = [made.read("other.pem")?, made.read("ca.pem")?].concat();
        std::fs::write(made.file("both.pem"), both)?;
        made.give_to_postgres()?;
        Ok(made)
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> Result<Vec<u8>> {
        Ok(std::fs::read(self.file(name))?)
    }

    fn openssl(&self, arguments: &str) -> Result<String> {
        let mut openssl = Command::new("openssl");
        run(openssl.args(arguments.split(' ')).current_dir(self.0.path()))
    }

    /// It refuses to start with a key that anybody else could read.
    fn give_to_postgres(&self) -> Result {
        let key = self.file("server.key");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?;
        if let Some((uid, gid)) = postgres::owner()? {
            let give = |path: &Path| chown(path, Some(uid), Some(gid));
            give(self.0.path())?;
            give(&key)?;
        }
        Ok(())
    }
}
