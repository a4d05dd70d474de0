use super::{Index, Keyed};
use crate::error::Result;
use std::collections::HashSet;
impl Index {
    pub(crate) async fn count(&self, _beneath: &str) -> Result<u64> {
        todo!()
    }
    pub(crate) async fn live_sample(&self, _beneath: &str, _limit: usize) -> Result<Vec<Keyed>> {
        todo!()
    }
    pub(crate) async fn live_among(&self, _keys: &[String]) -> Result<HashSet<String>> {
        todo!()
    }
    pub(crate) async fn live_in_siblings(&self, _keys: &[String]) -> Result<HashSet<String>> {
        todo!()
    }
    pub(crate) async fn find_keyed(&self, _key: &str) -> Result<Option<Keyed>> {
        todo!()
    }
}
impl super::Locked<'_> {
    pub(crate) async fn find_keyed(&mut self, _key: &str) -> Result<Option<Keyed>> {
        todo!()
    }
}
