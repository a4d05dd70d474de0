//! What tests need to happen and a store never does on purpose.

use ext_php_rs::prelude::*;
use ezdfs::ErrorKind;

use crate::failure::{Failure, answer};

/// Panics where the methods of the classes would.
#[php_function]
#[php(name = "ezdfs_test_panic")]
pub(crate) fn panic_guarded() {
    answer("test", &mut (), || panic!("a test wants it"));
}

/// Panics outside of it.
#[php_function]
#[php(name = "ezdfs_test_panic_unguarded")]
pub(crate) fn panic_unguarded() {
    panic!("a test wants it");
}

/// Fails with the kind of this code.
#[php_function]
#[php(name = "ezdfs_test_fail")]
pub(crate) fn fail(code: i64) {
    let kind = u32::try_from(code).ok().and_then(ErrorKind::from_code);
    let kind = kind.unwrap_or(ErrorKind::Internal);
    answer("test", &mut (), || Err(Failure::refused(kind, "test", "hook", "a test wants it")));
}

/// Adds the functions.
pub(crate) fn add(module: ModuleBuilder<'_>) -> ModuleBuilder<'_> {
    module
        .function(wrap_function!(panic_guarded))
        .function(wrap_function!(panic_unguarded))
        .function(wrap_function!(fail))
}
