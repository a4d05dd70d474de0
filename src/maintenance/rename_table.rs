//! Another name for the metadata table, as an upgrade to Ibexa 5 wants it.

use crate::error::{Error, ErrorKind, Result};
use crate::index::RenamedTable;
use crate::runtime;
use crate::store::Store;

/// Gives a table of the store's database another name, and leaves a view under the old one: whoever
/// reads or writes goes on under either. The way back is the same with the names exchanged.
/// Repeating it changes nothing, or goes on where it was ended. Blocks.
///
/// # Errors
///
/// - [`ErrorKind::InvalidConfig`]: on SQLite, whose views cannot be written to; where the table has
///   a change log; where the user may not do it.
/// - [`ErrorKind::InvalidInput`]: the new name is taken by something else, or lies elsewhere.
/// - [`ErrorKind::Schema`]: no such table.
pub fn rename_table(store: &Store, old: &str, new: &str) -> Result<RenamedTable> {
    let table = named(store, old, new)?;
    let process = table.process()?;
    runtime::block_on(process.index().rename_table(new))
}

/// Removes the view that [`rename_table`] has left under the old name, when nobody asks for that any
/// more. Blocks.
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`] where the old name is no view of the new.
pub fn drop_old_view(store: &Store, old: &str, new: &str) -> Result<RenamedTable> {
    let table = named(store, old, new)?;
    let process = table.process()?;
    runtime::block_on(process.index().drop_view_of(new))
}

/// The store of the old name.
fn named(store: &Store, old: &str, new: &str) -> Result<Store> {
    let options = store.options().of_table(old)?;
    store.options().of_table(new)?;
    let schema = |name: &str| name.rsplit_once('.').map(|(schema, _)| schema.to_ascii_lowercase());
    let refused = |reason| Err(Error::new(ErrorKind::InvalidInput, "rename", old, reason));
    if old.eq_ignore_ascii_case(new) {
        return refused("both names are the same");
    }
    if schema(old) != schema(new) {
        return refused("the new name lies in another schema");
    }
    Ok(Store::new(options))
}
