//! The kinds of errors: the one table of how each door expresses them.

use std::ffi::CStr;

/// How the doors express one [`ErrorKind`].
struct Expression {
    code: u32,
    name: &'static CStr,
    http_status: u16,
    exit_code: u8,
    meaning: &'static str,
}

/// Makes of the table all that has a line for each kind; `make header` makes the enum of C of it.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident = $code:literal, $name:literal, $http:literal, $exit:literal;)+) => {
        /// What went wrong, as a host needs to know it.
        ///
        /// Where a door maps every kind to a form of its own, it does so in one `match` without a
        /// wildcard arm, so that a new kind does not compile until all of them know it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorKind { $($(#[doc = $doc])+ $kind),+ }

        impl ErrorKind {
            /// Every kind, in the order of their codes.
            pub const ALL: [ErrorKind; [$($code),+].len()] = [$(ErrorKind::$kind),+];

            const fn expression(self) -> Expression {
                match self {
                    $(ErrorKind::$kind => Expression {
                        code: $code,
                        name: $name,
                        http_status: $http,
                        exit_code: $exit,
                        meaning: concat!($($doc, "\n"),+),
                    }),+
                }
            }
        }
    };
}

// Code of the C interface, never renumbered and never reused; word; status of HTTP; exit code.
//
// A web server answers 404 only where the row or the file is known to be absent (or the path can
// name none): caches keep a 404, and PHP writes a placeholder over an original that it takes for
// missing.
kinds! {
    /// No live row for the id, or (with `os_errno` ENOENT) a row whose file is
    /// missing from a live mount.
    NotFound = 1, c"not_found", 404, 1;
    /// No file can have this id, path or URI.
    InvalidName = 2, c"invalid_name", 404, 2;
    /// The database or the mount did not answer, or refused for now; worth
    /// retrying.
    Unavailable = 3, c"unavailable", 503, 3;
    /// An option is unknown, missing, malformed, or rejected by the server.
    InvalidConfig = 4, c"invalid_config", 503, 2;
    /// The bytes or the metadata handed in contradict themselves or the table.
    InvalidInput = 5, c"invalid_input", 400, 2;
    /// The metadata table is missing or has the wrong shape.
    Schema = 6, c"schema", 503, 4;
    /// The file system failed: no permission, an I/O error, something that is no
    /// file.
    Storage = 7, c"storage", 503, 5;
    /// This request may not have the file, whether it exists or not.
    Denied = 8, c"denied", 404, 6;
    /// The file system is full, or the quota is used up.
    NoSpace = 9, c"no_space", 507, 8;
    /// A bug in ezdfs, caught at the boundary. The handle stays valid.
    Internal = 99, c"internal", 500, 70;
}

impl ErrorKind {
    /// The stable number of the C ABI.
    pub const fn code(self) -> u32 {
        self.expression().code
    }

    /// The stable word for logs, JSON and `$ezdfs_status`.
    pub const fn name(self) -> &'static str {
        match self.expression().name.to_str() {
            Ok(name) => name,
            Err(_) => panic!("a word is no text"),
        }
    }

    /// The same for hosts that are written in C.
    #[cfg(feature = "capi")]
    pub(crate) const fn c_name(self) -> &'static CStr {
        self.expression().name
    }

    /// The status with which a web server answers.
    pub const fn http_status(self) -> u16 {
        self.expression().http_status
    }

    /// The exit code of the `ezdfs` command.
    pub const fn exit_code(self) -> u8 {
        self.expression().exit_code
    }

    /// What it means, as its documentation has it, line by line.
    pub const fn meaning(self) -> &'static str {
        self.expression().meaning
    }

    /// The kind with this code of the C ABI.
    pub fn from_code(code: u32) -> Option<ErrorKind> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Whether the file system failed, in whichever way.
    pub(crate) const fn is_of_storage(self) -> bool {
        matches!(self, ErrorKind::Storage | ErrorKind::NoSpace)
    }

    /// Whether the same call may succeed later without any change.
    pub const fn is_temporary(self) -> bool {
        matches!(self, ErrorKind::Unavailable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_lead_back_to_their_kind() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(ErrorKind::from_code(0), None);
    }

    #[test]
    fn only_what_cannot_exist_is_answered_404() {
        for kind in ErrorKind::ALL {
            let absent =
                matches!(kind, ErrorKind::NotFound | ErrorKind::InvalidName | ErrorKind::Denied);
            assert_eq!(kind.http_status() == 404, absent, "{kind:?}");
        }
    }
}
