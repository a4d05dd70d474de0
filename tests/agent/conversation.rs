//! A program that answers lines by lines, until its input ends.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::support::Result;

pub(super) struct Conversation {
    /// `None` when it has been handed out.
    child: Option<Child>,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Conversation {
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Conversation { child: Some(child), input, output })
    }

    pub(super) fn ask(&mut self, line: &str) -> Result<String> {
        writeln!(self.input.as_mut().ok_or("no input")?, "{line}")?;
        let mut answer = String::new();
        self.output.read_line(&mut answer)?;
        Ok(answer.trim_end().to_owned())
    }

    /// Ends its input, with which it ends.
    pub(super) fn end(mut self) -> Child {
        drop(self.input.take());
        self.child.take().expect("it is handed out once")
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        drop(self.input.take());
        if let Some(child) = &mut self.child {
            let _ = child.wait();
        }
    }
}
