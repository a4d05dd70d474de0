//! What tells in a built library which version it is, without loading it.

#[cfg(feature = "cli")]
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
const MARK: &str = concat!("ezdfs is of version ", env!("CARGO_PKG_VERSION"), ";");

/// What stands before the version; a semicolon stands behind it.
#[cfg(feature = "cli")]
pub(crate) fn before_version() -> &'static [u8] {
    &MARK.as_bytes()[..MARK.len() - VERSION.len() - 1]
}

/// Has linkers keep it. To be called by what every door needs.
pub(crate) fn keep() {
    std::hint::black_box(MARK);
}
