//! `user:password@host1:port,[address2]:port/database?parameters`, taken apart.

use super::address::{Address, decoded};

const ESCAPE: &str = "is not user:password@host/database; percent-encode special characters";

/// The parts, as they stand there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    login: Option<&'a str>,
    hosts: &'a str,
    database: &'a str,
    query: &'a str,
}

impl<'a> Parts<'a> {
    /// As a URL is read, where that gives hosts and a database. Else the password has
    /// characters that end it in a URL: it ends at the last `@` that such parts follow.
    pub(super) fn of(text: &'a str) -> Result<Self, String> {
        let authority = text.split(['/', '?', '#']).next().unwrap_or_default();
        let by_the_book = Parts::after(text, authority.rfind('@'));
        if by_the_book.fit() {
            return Ok(by_the_book);
        }
        let all = text.rmatch_indices('@').map(|(at, _)| Parts::after(text, Some(at)));
        let found = all.into_iter().find(Parts::fit);
        found.ok_or_else(|| by_the_book.what_is_wrong())
    }

    fn after(text: &'a str, at: Option<usize>) -> Self {
        let (login, rest) = match at {
            Some(at) => (Some(&text[..at]), &text[at + 1..]),
            None => (None, text),
        };
        let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, database) = before.split_once('/').unwrap_or((before, ""));
        Parts { login, hosts, database, query }
    }

    fn fit(&self) -> bool {
        let has_database = !self.database.is_empty() || self.query.contains("dbname=");
        has_database
            && !self.database.contains(['/', '@', '#', ':'])
            && !self.query.contains(['#', '?'])
            && self.query.split('&').all(|pair| pair.is_empty() || pair.contains('='))
            && self.hosts.split(',').all(|host| Address::default().set_host(host).is_ok())
    }

    fn what_is_wrong(&self) -> String {
        let hosts = || self.hosts.split(',').map(|host| Address::default().set_host(host));
        match hosts().find_map(Result::err) {
            // Of what may be half a password nothing is said but this.
            Some(reason) if self.login.is_some() => reason,
            None if self.database.is_empty() => "lacks the name of the database".to_owned(),
            _ => ESCAPE.to_owned(),
        }
    }

    pub(super) fn addresses(&self, scheme: &'static str) -> Result<Vec<Address>, String> {
        let mut common =
            Address { scheme, database: decoded(self.database)?, ..Address::default() };
        if let Some(login) = self.login {
            common.set_login(login)?;
        }
        let mut addresses = Vec::new();
        for host in self.hosts.split(',') {
            let mut address = common.clone();
            address.set_host(host)?;
            for (key, value) in url::form_urlencoded::parse(self.query.as_bytes()) {
                address.take(&key, &value)?;
            }
            address.check()?;
            addresses.push(address);
        }
        Ok(addresses)
    }
}
