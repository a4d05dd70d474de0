//! The last look at what the command says. Messages should not quote a secret in
//! the first place; one that stands where nobody expects it, such as a DSN given
//! as an id, is caught here.

use std::env;
use std::ffi::OsString;

/// The message without logins in URLs.
pub(super) fn hide(message: &str) -> String {
    hide_logins(&hide_given(message, given(), url_login))
}

/// The same where the command line is not understood, and an argument may be a
/// DSN that lacks its scheme. An id, too, may have a colon and an `@`: of errors
/// that come later, this would hide too much.
pub(super) fn hide_from_usage(message: &str) -> String {
    hide_logins(&hide_given(message, given(), |text| url_login(text).or(login(text))))
}

/// What the user gave: arguments, and the values of variables.
fn given() -> impl Iterator<Item = String> {
    let ours = |name: &OsString| name.to_string_lossy().starts_with("EZDFS_");
    let variables = env::vars_os().filter(move |(name, _)| ours(name)).map(|(_, value)| value);
    env::args_os().skip(1).chain(variables).map(|text| text.to_string_lossy().into_owned())
}

/// `user:password@`
fn login(text: &str) -> Option<&str> {
    let login = &text[..=text.rfind('@')?];
    login.contains(':').then_some(login)
}

fn url_login(text: &str) -> Option<&str> {
    text.split_once("://").and_then(|(_, rest)| login(rest))
}

/// Replaces the logins that these texts hold. They may have spaces and quotes, so
/// in the message alone nobody would find their ends.
fn hide_given(
    message: &str,
    given: impl Iterator<Item = String>,
    login_in: impl Fn(&str) -> Option<&str>,
) -> String {
    let mut message = message.to_owned();
    for text in given {
        let value = text.split_once('=').map(|(_, value)| value);
        for login in [Some(text.as_str()), value].into_iter().flatten().filter_map(&login_in) {
            let quoted = format!("{login:?}");
            let quoted = &quoted[1..quoted.len() - 1];
            message = message.replace(login, "***@").replace(quoted, "***@");
        }
    }
    message
}

/// Replaces what stands between `://` and the last `@` before white space.
fn hide_logins(message: &str) -> String {
    let mut parts = message.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(char::is_whitespace).unwrap_or(part.len());
        let (url, rest) = part.split_at(end);
        shown.push_str("://");
        match url.rsplit_once('@') {
            // The password is hidden already, and the user is worth knowing.
            Some((login, host)) if !login.ends_with(":***") => {
                shown.push_str("***@");
                shown.push_str(host);
            }
            _ => shown.push_str(url),
        }
        shown.push_str(rest);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_of_urls_are_hidden() {
        for (message, shown) in [
            ("in mysql://u:hunter2@h/db: no", "in mysql://***@h/db: no"),
            ("a://hun@ter2@h b://hunter2@h", "a://***@h b://***@h"),
            ("open \"a://u:h'u\\\"nter2@h\"", "open \"a://***@h\""),
            ("mysql://u:***@h/db: user 'u'@'h'", "mysql://u:***@h/db: user 'u'@'h'"),
            ("mysql://h/db: user 'u'@'h'", "mysql://h/db: user 'u'@'h'"),
            ("get \"images/a:b@2x.jpg\": not found", "get \"images/a:b@2x.jpg\": not found"),
        ] {
            assert_eq!(hide_logins(message), shown);
        }
    }

    #[test]
    fn given_logins_are_hidden_whatever_they_hold() {
        let url = "mysql://u:'hun\"ter 2'@h/db";
        let given = || [format!("--x={url}"), "a:b@c".to_owned()].into_iter();
        for message in [format!("no {url}!"), format!("no {url:?}!"), format!("no ../{url}!")] {
            let shown = hide_given(&message, given(), url_login);
            assert!(shown.contains("mysql://***@h/db") && !shown.contains("ter"), "{shown}");
        }
        assert_eq!(hide_given("no a:b@c", given(), url_login), "no a:b@c");
        assert_eq!(hide_given("no a:b@c", given(), login), "no ***@c");
    }
}
