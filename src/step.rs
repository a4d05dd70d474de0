//! The steps of an operation, named so that tests can make it end there.

/// A step has been taken. Returns an error from the function around it, or
/// kills the process, where a test asked for that; else it is nothing.
macro_rules! step {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        crate::step::taken($name)?;
    };
}

/// `FAILPOINTS="NAME=return(error)"` and `"NAME=return(crash)"` in the
/// environment, by the crate `fail`.
#[cfg(feature = "failpoints")]
pub(crate) fn taken(name: &'static str) -> crate::Result<()> {
    match fail::eval(name, |wanted| wanted) {
        None => Ok(()),
        Some(wanted) if wanted.as_deref() == Some("crash") => std::process::abort(),
        Some(_) => Err(crate::Error::new(crate::ErrorKind::Storage, "step", name, "injected")),
    }
}
