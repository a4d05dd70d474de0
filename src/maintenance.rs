//! What operators do to a whole store.

mod import;

pub use import::{Import, ImportOptions, Imported};
