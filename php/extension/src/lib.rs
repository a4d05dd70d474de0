//! The PHP extension `ezdfs`: the class `Ezdfs\Store` over the core's store.
//!
//! It translates and decides nothing: arguments into the core's types, results
//! into PHP values, errors into exceptions, options out of php.ini. Nothing
//! starts with the module: threads and connections come with the first call
//! that needs them, in the process that makes it, and outlive the request.

mod failure;
#[cfg(feature = "test-hooks")]
mod hooks;
mod list;
mod options;
mod shim;
mod source;
mod stats;
mod store;
mod values;

use ext_php_rs::prelude::*;
use ext_php_rs::zend::ModuleEntry;
use ext_php_rs::{info_table_end, info_table_row, info_table_start};

/// Registers what PHP's own C functions register.
extern "C" fn startup(_kind: i32, module: i32) -> i32 {
    options::register_settings(module);
    failure::register_classes();
    // SAFETY: called from the module's startup, where classes are registered.
    unsafe {
        shim::ezdfs_php_register_file_info();
        shim::ezdfs_php_register_iterator();
        shim::ezdfs_php_register_store();
    }
    0
}

/// The section of phpinfo(). No secrets: the DSN shows itself redacted.
extern "C" fn info(module: *mut ModuleEntry) {
    info_table_start!();
    info_table_row!("ezdfs support", "enabled");
    info_table_row!("Version", env!("CARGO_PKG_VERSION"));
    info_table_row!("Databases", "MySQL, MariaDB, PostgreSQL, SQLite");
    info_table_end!();
    // SAFETY: PHP has handed in its entry of this module.
    unsafe { shim::ezdfs_php_display_ini(module) };
    let outcome = stats::print(&options::stores());
    // SAFETY: where this leaves by `longjmp`, nothing of this function is to be dropped.
    unsafe { shim::ezdfs_php_conclude(outcome) };
}

/// The entry point for PHP.
#[php_module]
#[php(startup = "startup")]
pub fn get_module(module: ModuleBuilder) -> ModuleBuilder {
    let module = module.name("ezdfs").info_function(info);
    #[cfg(feature = "test-hooks")]
    let module = hooks::add(module);
    module
}
