//! Two listings, merged: what has an id on either side.

use std::cmp::Ordering;

use super::selection::Selection;
use super::side::{Listed, Listing, Next};
use crate::error::{Error, Result};
use crate::name::FileId;

/// What there is under one id.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) id: FileId,
    pub(super) from: Option<Listed>,
    pub(super) to: Option<Listed>,
}

impl Pair {
    /// Whether either side would serve it.
    pub(super) fn is_live(&self) -> bool {
        [&self.from, &self.to].into_iter().flatten().any(Listed::is_live)
    }
}

/// In the byte order of the ids.
pub(super) struct Pairs<'s> {
    from: Half,
    to: Half,
    selection: &'s Selection,
    /// What no door would serve, or could not be listed, of the source.
    pub(super) foreign: u64,
}

struct Half {
    listing: Listing,
    next: Option<Listed>,
}

impl<'s> Pairs<'s> {
    pub(super) fn new(
        from: Listing,
        to: Listing,
        selection: &'s Selection,
        failed: &mut dyn FnMut(Error),
    ) -> Result<Self> {
        let half = |listing| Half { listing, next: None };
        let mut pairs = Pairs { from: half(from), to: half(to), selection, foreign: 0 };
        pairs.foreign += pairs.from.advance(selection, failed)?;
        pairs.to.advance(selection, failed)?;
        Ok(pairs)
    }

    pub(super) fn next(&mut self, failed: &mut dyn FnMut(Error)) -> Result<Option<Pair>> {
        let order = match (&self.from.next, &self.to.next) {
            (None, None) => return Ok(None),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(from), Some(to)) => from.id.as_str().cmp(to.id.as_str()),
        };
        let from = self.from.next.take_if(|_| order.is_le());
        let to = self.to.next.take_if(|_| order.is_ge());
        if from.is_some() {
            self.foreign += self.from.advance(self.selection, failed)?;
        }
        if to.is_some() {
            self.to.advance(self.selection, failed)?;
        }
        let id = from.as_ref().or(to.as_ref()).map(|listed| listed.id.clone());
        Ok(id.map(|id| Pair { id, from, to }))
    }
}

impl Half {
    /// Says how many were passed over that are nobody's stored files.
    fn advance(&mut self, selection: &Selection, failed: &mut dyn FnMut(Error)) -> Result<u64> {
        let mut foreign = 0;
        while let Some(next) = self.listing.next()? {
            match next {
                Next::Listed(listed) if selection.has(&listed.id) => {
                    self.next = Some(listed);
                    return Ok(foreign);
                }
                Next::Listed(_) => {}
                Next::Foreign => foreign += 1,
                Next::Failed(error) => failed(error),
            }
        }
        Ok(foreign)
    }
}
