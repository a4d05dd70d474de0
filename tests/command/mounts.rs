//! What a share is mounted with. The command is built with `failpoints`: no NFS is mounted here.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::{Cli, stderr};
use crate::support::Group;

pub(super) fn register(group: &mut Group<'_>) {
    group.add("a_soft_mount_is_told_of", |_| soft_mount());
}

impl Cli {
    /// Runs the command with its root on a mount that the kernel lists with these options.
    pub(super) fn on_mount(&self, arguments: &[&str], options: &str) -> Output {
        self.mounted(&self.root(), "nfs4", options, arguments).output().unwrap()
    }

    /// The same of another root, and another file system.
    pub(super) fn mounted(
        &self,
        root: &Path,
        file_system: &str,
        options: &str,
        arguments: &[&str],
    ) -> Command {
        let list = self.dir.path().join("mountinfo");
        let at = root.display();
        let line = format!("50 1 0:48 / {at} rw - {file_system} filer:/export {options}\n");
        fs::write(&list, line).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ezdfs"));
        command.args(arguments).current_dir(self.dir.path()).env_clear();
        command.env("EZDFS_DSN", &self.dsn).env("EZDFS_ROOT", root);
        command.env("FAILPOINTS", format!("mountinfo=return({})", list.display()));
        command
    }
}

fn soft_mount() {
    let cli = Cli::new(None);
    for arguments in [&["schema"][..], &["schema", "--json"], &["fsck"]] {
        for (options, is_told) in
            [("rw,vers=4.2,soft", true), ("rw,softerr", true), ("rw,hard", false)]
        {
            let output = cli.on_mount(arguments, options);
            assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
            let told = stderr(&output).contains("mounted \"soft\"");
            assert_eq!(told, is_told, "{arguments:?} {options}: {}", stderr(&output));
        }
    }
}
