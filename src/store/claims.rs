//! Whose a file is besides: root, prefix and table need not fit each other, and
//! then one row's file is another's, too. A file that a live row of any other name
//! speaks of is never taken away.

use std::collections::{HashMap, HashSet};

use super::Process;
use crate::error::Result;
use crate::files::Mount;
use crate::name::{FileId, FileName};
use crate::territory::other_names;

impl Process {
    /// Those of these names' files that live rows of other names speak of, by
    /// their paths: where root and prefix do not fit each other, or rows were
    /// registered with such. `everywhere`: in other tables of the database, too.
    pub(super) async fn claimed_files(
        &self,
        names: &[FileName],
        everywhere: bool,
    ) -> Result<HashSet<String>> {
        let paths: Vec<_> = names.iter().filter_map(|name| self.path_of(name)).collect();
        self.claimed_among(&paths, everywhere).await
    }

    /// Whether a live row of another name, or of another table of the database,
    /// speaks of the file at this path.
    pub(crate) async fn is_claimed(&self, path: &str) -> Result<bool> {
        let claimed = self.claimed_among(&[path.to_owned()], true).await?;
        Ok(!claimed.is_empty())
    }

    /// Those of these paths' files that live rows of other names speak of.
    pub(crate) async fn claimed_among(
        &self,
        paths: &[String],
        everywhere: bool,
    ) -> Result<HashSet<String>> {
        let configured = self.root.to_string_lossy();
        let real = self.real_root().await?;
        // Which path a key would be of: in this table, and in the others.
        let (mut here, mut elsewhere) = (HashMap::new(), HashMap::new());
        let mut names = Vec::with_capacity(paths.len());
        for path in paths {
            names.push(self.name_prefix.name(&FileId::parse(path)?)?);
            let own = names[names.len() - 1].hash();
            for name in other_names(&[&configured, real], &self.name_prefix, path) {
                let key = FileName::stored(&name).hash();
                if key != own {
                    here.insert(key, path);
                }
            }
            elsewhere.insert(own, path);
        }
        let keys: Vec<_> = here.keys().cloned().collect();
        let mut claimed = self.index.live_among(&keys).await?;
        if everywhere {
            let keys: Vec<_> = elsewhere.keys().cloned().chain(keys).collect();
            claimed.extend(self.index.live_in_siblings(&keys).await?);
            claimed.extend(self.index.live_out_of_place(&names).await?);
        }
        let path_of = |key: &String| here.get(key).or_else(|| elsewhere.get(key));
        Ok(claimed.iter().filter_map(path_of).map(|path| (*path).clone()).collect())
    }

    /// The root without symbolic links, as text.
    pub(crate) async fn real_root(&self) -> Result<&str> {
        let ask = async || self.gate.run("root", Mount::real_root).await;
        self.real_root.get_or_try_init(ask).await.map(String::as_str)
    }
}
