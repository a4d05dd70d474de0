//! What a person types: completions of the command line, as each shell makes them.

use std::process::{Command, Stdio};
use std::{env, fs};

use super::manual::{run, subcommands};
use super::stderr;
use crate::support::process::scratch;
use crate::support::{Need, Trials, built};

pub(super) fn register(trials: &mut Trials) {
    for (name, program, shell) in
        [("bash", &["bash"], &BASH), ("zsh", &["zsh"], &ZSH), ("fish", &["fish"], &FISH)]
    {
        let mut group = trials.group("command", &[Need::COMMAND, Need::Programs(program)]);
        group.add(&format!("{name}_completes_a_command_line"), move |_| completes(name, shell));
    }
    let mut group = trials.group("command", &[Need::COMMAND]);
    group.add("no_other_shells_completion_is_printed", |_| other());
}

struct Shell {
    /// Beneath the home directory, where the shell looks for it.
    place: &'static str,
    /// Without anything that is somebody's, up to the command line.
    arguments: &'static [&'static str],
}

const BASH: Shell =
    Shell { place: "completion", arguments: &["--noprofile", "--norc", "-c", AS_BASH, "bash"] };
const ZSH: Shell = Shell { place: "_ezdfs", arguments: &["-f", "-c", AS_ZSH, "zsh"] };
const FISH: Shell = Shell {
    place: ".config/fish/completions/ezdfs.fish",
    arguments: &["-c", "complete --do-complete $argv[1]"],
};

const AS_BASH: &str = r#"
source ./completion
read -ra COMP_WORDS <<< "$1"
[[ $1 != *' ' ]] || COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_ezdfs ezdfs "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
"#;

/// It completes at its prompt alone, so this is one on a terminal. What is offered goes through compadd.
const AS_ZSH: &str = r#"
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1= fpath=($PWD $fpath); autoload -U compinit; compinit -u -D
    compadd() {
        local -a found
        [[ ${@[1,(i)(-|--)]} == *-[AOD]\ * ]] || { builtin compadd -O found "$@"; print -rl -- $found >> found }
        builtin compadd "$@"
    }
    ask() { zle complete-word; exit }; zle -N ask; bindkey "^I" ask'
zpty -wn shell "$1"$'\t'
while zpty -r shell; do done > /dev/null
cat found
"#;

impl Shell {
    /// What it offers for the last word of a command line.
    fn completed(&self, name: &str, line: &str) -> Vec<String> {
        let dir = scratch();
        let place = dir.path().join(self.place);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, run(&["completion", name]).stdout).unwrap();
        // fish completes what it finds.
        let ours = built("ezdfs").parent().unwrap().to_owned();
        let others = env::var_os("PATH").unwrap();
        let path = env::join_paths([ours].into_iter().chain(env::split_paths(&others))).unwrap();
        let mut shell = Command::new(name);
        shell.args(self.arguments).arg(line).current_dir(dir.path()).stdin(Stdio::null());
        shell.env_clear().env("HOME", dir.path()).env("PATH", path).env("TERM", "dumb");
        let output = shell.output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{}", stderr(&output));
        // What a word means stands behind it.
        let offered = String::from_utf8(output.stdout).unwrap();
        let words = offered.lines().filter_map(|line| line.split_whitespace().next());
        words.map(str::to_owned).collect()
    }
}

fn completes(name: &str, shell: &Shell) {
    assert_eq!(shell.completed(name, "ezdfs us"), ["usage"]);
    assert_eq!(shell.completed(name, "ezdfs fsck --max-o"), ["--max-orphans"]);
    assert_eq!(shell.completed(name, "ezdfs replica ver"), ["verify"]);
    let mut offered = shell.completed(name, "ezdfs ");
    offered.retain(|word| !word.starts_with('-'));
    offered.sort();
    // What the help does not list is not for a person.
    let mut listed = subcommands();
    listed.push("help".to_owned());
    listed.sort();
    assert_eq!(offered, listed);
}

fn other() {
    let output = Command::new(built("ezdfs")).args(["completion", "tcsh"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}
