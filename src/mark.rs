//! What tells in a built library which version it is, without loading it.

/// Stands before the version; a semicolon stands behind it.
#[cfg(feature = "cli")]
pub(crate) const BEFORE_VERSION: &[u8] = b"ezdfs is of version ";

const MARK: &str = concat!("ezdfs is of version ", env!("CARGO_PKG_VERSION"), ";");

/// Has linkers keep it. To be called by what every door needs.
pub(crate) fn keep() {
    std::hint::black_box(MARK);
}
