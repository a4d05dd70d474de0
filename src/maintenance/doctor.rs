//! Whether a store is set up as a task needs it: table, rights, clocks, connections, mount, files,
//! system calls, modules, change log. Everything is tried, and nothing is changed.

mod clocks;
mod connections;
mod feed;
mod files;
mod grants;
mod list;
mod modules;
mod mount;
mod sandbox;
mod table;

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future;

use crate::error::{Error, Result};
use crate::runtime;
use crate::store::{Process, Store};

pub(crate) use list::Task;

/// How long all of it may take, whatever hangs.
const LONGEST: Duration = Duration::from_secs(9);

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// The task, or a part of it, cannot be done, or loses something.
    Error,
    /// It is done, and costs more than it has to.
    Warning,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// The check's name, which stays what it is.
    pub(crate) check: &'static str,
    pub(crate) what: String,
    pub(crate) cost: String,
    /// What to change.
    pub(crate) remedy: String,
}

impl Finding {
    fn error(check: &'static str, what: impl Into<String>) -> Self {
        Finding::new(Severity::Error, check, what)
    }

    fn warning(check: &'static str, what: impl Into<String>) -> Self {
        Finding::new(Severity::Warning, check, what)
    }

    fn new(severity: Severity, check: &'static str, what: impl Into<String>) -> Self {
        let (what, cost, remedy) = (what.into(), String::new(), String::new());
        Finding { severity, check, what, cost, remedy }
    }

    fn costs(self, cost: impl Into<String>) -> Self {
        Finding { cost: cost.into(), ..self }
    }

    fn change(self, remedy: impl Into<String>) -> Self {
        Finding { remedy: remedy.into(), ..self }
    }
}

/// A check that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unchecked {
    pub(crate) check: &'static str,
    pub(crate) reason: String,
    /// It was to be made, and could not be.
    pub(crate) has_failed: bool,
}

/// What is known besides the store's options.
#[derive(Debug, Default)]
pub(crate) struct DoctorOptions {
    /// Where it is not said: all, as far as the database's user may write.
    pub(crate) task: Option<Task>,
    /// How many processes use the database; counted on this machine where it is not said.
    pub(crate) processes: Option<u64>,
    pub(crate) nginx_module: Option<PathBuf>,
    pub(crate) php_extension: Option<PathBuf>,
}

/// What was found out.
#[derive(Debug, Default)]
pub(crate) struct Diagnosis {
    pub(crate) tasks: Vec<Task>,
    /// The worst first.
    pub(crate) findings: Vec<Finding>,
    pub(crate) checked: Vec<&'static str>,
    pub(crate) unchecked: Vec<Unchecked>,
}

/// Tries out a store. Blocks for no longer than [`LONGEST`].
///
/// # Errors
///
/// Where this process cannot use any store.
pub(crate) fn examine(store: &Store, options: &DoctorOptions) -> Result<Diagnosis> {
    let examination = Examination {
        store,
        options,
        process: store.process()?,
        is_reader: Cell::new(false),
        diagnosis: RefCell::default(),
    };
    let deadline = Instant::now() + LONGEST;
    runtime::block_on(async {
        // What hangs is left alone: the rest has been noted.
        let _ = tokio::time::timeout_at(deadline.into(), examination.all()).await;
        Ok(())
    })?;
    Ok(examination.end())
}

/// One run: what it has to know, and what it has noted so far.
struct Examination<'a> {
    store: &'a Store,
    options: &'a DoctorOptions,
    process: Arc<Process>,
    /// No task was named, and the database's user may only read.
    is_reader: Cell<bool>,
    diagnosis: RefCell<Diagnosis>,
}

impl Examination<'_> {
    /// The mount and the database do not wait for each other where one of them hangs.
    async fn all(&self) {
        let database = async {
            let rows = table::check(self).await;
            if rows.is_some() {
                connections::check(self).await;
            }
            rows
        };
        let looked = future::join3(database, mount::check(self), local(self)).await;
        let (rows, is_there, ()) = looked;
        let rows = rows.unwrap_or_default();
        let mut clock = None;
        if is_there && files::check_root(self, &rows).await {
            clock = files::check(self, &rows).await;
        }
        clocks::check(self, rows.clock, clock);
    }

    fn tasks(&self) -> Vec<Task> {
        match self.options.task {
            Some(task) => vec![task],
            None if self.is_reader.get() => vec![Task::Nginx],
            None => Task::ALL.to_vec(),
        }
    }

    /// Whether any of the tasks writes.
    fn writes(&self) -> bool {
        self.tasks().iter().any(|task| *task != Task::Nginx)
    }

    fn found(&self, finding: Finding) {
        self.passed(finding.check);
        self.diagnosis.borrow_mut().findings.push(finding);
    }

    fn has_found(&self, check: &str) -> bool {
        self.diagnosis.borrow().findings.iter().any(|it| it.check == check)
    }

    /// A check was made.
    fn passed(&self, check: &'static str) {
        let mut diagnosis = self.diagnosis.borrow_mut();
        if !diagnosis.checked.contains(&check) {
            diagnosis.checked.push(check);
        }
    }

    /// There is nothing to check here.
    fn skipped(&self, check: &'static str, reason: impl Into<String>) {
        let mut diagnosis = self.diagnosis.borrow_mut();
        // That it could not be made says more.
        if !diagnosis.unchecked.iter().any(|it| it.check == check) {
            let unchecked = Unchecked { check, reason: reason.into(), has_failed: false };
            diagnosis.unchecked.push(unchecked);
        }
    }

    fn failed(&self, check: &'static str, error: &Error) {
        let unchecked = Unchecked { check, reason: format!("{error:#}"), has_failed: true };
        self.diagnosis.borrow_mut().unchecked.push(unchecked);
    }

    /// Notes what was found by a check that needs nothing else.
    fn judge(&self, check: &'static str, outcome: Result<Option<Finding>>) {
        match outcome {
            Ok(Some(finding)) => self.found(finding),
            Ok(None) => self.passed(check),
            Err(error) => self.failed(check, &error),
        }
    }

    /// What nobody has come to by now depends on what was found, or was too late.
    fn end(self) -> Diagnosis {
        let mut diagnosis = self.diagnosis.take();
        diagnosis.tasks = self.tasks();
        let is_of_tasks =
            |check: &str| list::needs(check).iter().any(|task| diagnosis.tasks.contains(task));
        let mut findings = std::mem::take(&mut diagnosis.findings);
        findings.retain(|finding| is_of_tasks(finding.check));
        findings.sort_by_key(|finding| finding.severity);
        let mut checked = std::mem::take(&mut diagnosis.checked);
        checked.retain(|check| is_of_tasks(check));
        let mut unchecked = std::mem::take(&mut diagnosis.unchecked);
        unchecked.retain(|it| is_of_tasks(it.check) && !checked.contains(&it.check));
        for check in list::names().filter(|check| is_of_tasks(check)) {
            if !checked.contains(&check) && !unchecked.iter().any(|it| it.check == check) {
                unchecked.push(not_reached(check, &findings));
            }
        }
        diagnosis.findings = findings;
        diagnosis.checked = checked;
        diagnosis.unchecked = unchecked;
        diagnosis
    }
}

fn not_reached(check: &'static str, findings: &[Finding]) -> Unchecked {
    let blocking = findings.iter().find(|finding| list::BLOCKING.contains(&finding.check));
    match blocking {
        Some(finding) => {
            let reason = format!("needs that {:?} is put right", finding.check);
            Unchecked { check, reason, has_failed: false }
        }
        None => {
            let reason = format!("not come to within {LONGEST:?}");
            Unchecked { check, reason, has_failed: true }
        }
    }
}

/// What asks neither database nor mount.
async fn local(examination: &Examination<'_>) {
    sandbox::check(examination);
    modules::check(examination).await;
}
