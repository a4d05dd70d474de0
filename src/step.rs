//! The steps of an operation, named so that tests can make it end there.

/// A step has been taken. Returns an error from the function around it, or
/// kills the process, where a test asked for that; else it is nothing.
macro_rules! step {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        crate::step::taken($name)?;
    };
}

/// A call on the mount that a test may let hang, by `NAME=return(wait:FILE)`. It is no step of the
/// protocol.
macro_rules! hang {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        crate::step::hang($name);
    };
}

/// What tests ask for in the environment, by the crate `fail`: `FAILPOINTS="NAME=return(HOW)"`, where
/// `HOW` is `error`, `crash`, or `wait:FILE`: the process says that it is there by `FILE.reached`,
/// and goes on when `FILE` is there. `FAILPOINTS_LOG` names a file that each step is written to.
#[cfg(feature = "failpoints")]
pub(crate) fn taken(name: &'static str) -> crate::Result<()> {
    let failed =
        |reason: String| Err(crate::Error::new(crate::ErrorKind::Storage, "step", name, reason));
    if let Err(error) = note(name) {
        return failed(format!("cannot note it: {error}"));
    }
    match fail::eval(name, |wanted| wanted).map(Option::unwrap_or_default).as_deref() {
        None => Ok(()),
        Some("crash") => std::process::abort(),
        Some(how) => match how.strip_prefix("wait:") {
            Some(file) => wait(file).or_else(|error| failed(format!("cannot wait: {error}"))),
            None => failed("injected".to_owned()),
        },
    }
}

#[cfg(feature = "failpoints")]
pub(crate) fn hang(name: &'static str) {
    let wanted = fail::eval(name, |wanted| wanted).flatten();
    if let Some(file) = wanted.as_deref().and_then(|how| how.strip_prefix("wait:")) {
        // A test whose file cannot be written waits for it, and fails.
        let _ = wait(file);
    }
}

#[cfg(feature = "failpoints")]
fn note(name: &str) -> std::io::Result<()> {
    use std::io::Write;
    let Some(file) = std::env::var_os("FAILPOINTS_LOG") else {
        return Ok(());
    };
    let mut file = std::fs::File::options().create(true).append(true).open(file)?;
    file.write_all(format!("{name}\n").as_bytes())
}

#[cfg(feature = "failpoints")]
fn wait(file: &str) -> std::io::Result<()> {
    std::fs::write(format!("{file}.reached"), "")?;
    while !std::fs::exists(file)? {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    Ok(())
}
