//! Options: php.ini, then the array; and the stores that were made of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::sync::{Mutex, OnceLock, PoisonError};

use ext_php_rs::flags::IniEntryPermission;
use ext_php_rs::types::Zval;
use ext_php_rs::zend::IniEntryDef;
use ezdfs::config::{VOCABULARY, shown_key, text_of_number};
use ezdfs::{ErrorKind, Options, Store};

use crate::failure::Failure;
use crate::shim::{self, Text};
use crate::values::Keyed;

/// Stores that a process keeps; more option sets than that are a program that
/// makes them up.
const MAX_STORES: usize = 64;

/// Most of it is php.ini's, and as it is each time: nothing is copied before it is known that
/// there is no store of it yet.
type OptionSet<'a> = BTreeMap<&'a str, Cow<'a, str>>;

/// A store, and the options that it was made of.
struct Made {
    of: BTreeMap<String, String>,
    store: Store,
}

/// The stores of this process. They outlive the request, and their connections
/// with them.
static STORES: Mutex<Vec<Made>> = Mutex::new(Vec::new());

impl Made {
    fn is_of(&self, options: &OptionSet<'_>) -> bool {
        let known = self.of.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        known.eq(options.iter().map(|(key, value)| (*key, &**value)))
    }
}

/// The store for these options and those of php.ini.
pub(crate) fn store(given: &Keyed) -> Result<Store, Failure> {
    let settings = settings()?;
    let options = merge(&settings, given)?;
    let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(made) = stores.iter().find(|made| made.is_of(&options)) {
        return Ok(made.store.clone());
    }
    let mut builder = Options::builder();
    for (key, value) in &options {
        builder.set(key, value).map_err(|error| blame(error, &settings, given))?;
    }
    let store = Store::new(builder.build()?);
    if stores.len() >= MAX_STORES {
        stores.clear();
    }
    let of = options.into_iter().map(|(key, value)| (key.to_owned(), value.into_owned()));
    stores.push(Made { of: of.collect(), store: store.clone() });
    Ok(store)
}

/// All stores of this process.
pub(crate) fn stores() -> Vec<Store> {
    let stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    stores.iter().map(|made| made.store.clone()).collect()
}

fn merge<'a>(settings: &OptionSet<'a>, given: &'a Keyed) -> Result<OptionSet<'a>, Failure> {
    let mut options = settings.clone();
    for (key, value) in given.iter().filter(|(_, value)| !value.is_null()) {
        options.insert(key, text(key, value)?);
    }
    Ok(options)
}

/// An option's value as the text that the core reads.
fn text<'a>(key: &str, value: &'a Zval) -> Result<Cow<'a, str>, Failure> {
    let shown = shown_key(key);
    let refuse = |reason| Failure::refused(ErrorKind::InvalidConfig, "option", shown, reason);
    if let Some(number) = value.long() {
        return Ok(text_of_number(key, number)?.into());
    }
    let bytes = value.zend_str().ok_or_else(|| refuse("must be a string or an integer"))?;
    let text = std::str::from_utf8(bytes.as_bytes()).map_err(|_| refuse("is not UTF-8"))?;
    Ok(text.into())
}

/// Says where a refused value stands.
fn blame(error: ezdfs::Error, settings: &OptionSet<'_>, given: &Keyed) -> Failure {
    let key = error.subject();
    let is_given = given.iter().any(|(name, value)| name == key && !value.is_null());
    if is_given || !settings.contains_key(key) {
        return error.into();
    }
    let name = format!("ezdfs.{key}");
    Failure::refused(ErrorKind::InvalidConfig, "php.ini", &name, &error.to_string())
}

/// What php.ini says. Read for every store: a host may be configured by the
/// pool, the virtual host or the directory that a request belongs to.
fn settings<'a>() -> Result<OptionSet<'a>, Failure> {
    let mut settings = OptionSet::new();
    for (spec, name) in VOCABULARY.iter().zip(names()) {
        let mut value = Text::new("");
        // SAFETY: `value` outlives the call.
        if unsafe { shim::ezdfs_php_ini(Text::new(name), &raw mut value) } {
            let text = std::str::from_utf8(value.bytes()).map_err(|_| {
                Failure::refused(ErrorKind::InvalidConfig, "php.ini", name, "is not UTF-8")
            })?;
            settings.insert(spec.key, text.into());
        }
    }
    Ok(settings)
}

/// `ezdfs.KEY` for each option.
fn names() -> &'static [String] {
    static NAMES: OnceLock<Vec<String>> = OnceLock::new();
    NAMES.get_or_init(|| VOCABULARY.iter().map(|spec| format!("ezdfs.{}", spec.key)).collect())
}

/// The settings as PHP takes them.
struct Settings(Vec<IniEntryDef>);

// SAFETY: the pointers within lead to text that nobody changes or frees.
unsafe impl Send for Settings {}
// SAFETY: as above.
unsafe impl Sync for Settings {}

/// PHP refers to them for as long as the process lives.
static SETTINGS: OnceLock<Settings> = OnceLock::new();

impl Settings {
    /// `ezdfs.KEY` for each option, with the core's default.
    fn new() -> Self {
        let entries = VOCABULARY.iter().zip(names()).map(|(spec, name)| {
            let name = forever(name);
            let default = spec.default.map_or(c"", forever);
            let mut entry = IniEntryDef::new(name, default, IniEntryPermission::System);
            if spec.default.is_none() {
                entry.value = std::ptr::null();
            }
            entry
        });
        Settings(entries.chain([IniEntryDef::end()]).collect())
    }
}

/// Registers the settings. Called once in each start of the module.
pub(crate) fn register_settings(module: i32) {
    IniEntryDef::register(&SETTINGS.get_or_init(Settings::new).0, module);
    // SAFETY: `ezdfs.dsn` has just been registered.
    unsafe { shim::ezdfs_php_hide_dsn() };
}

fn forever(text: &str) -> &'static CStr {
    let text = CString::new(text).unwrap_or_default();
    Box::leak(text.into_boxed_c_str())
}

/// A DSN as phpinfo() may show it.
fn redacted(dsn: &str) -> String {
    if dsn.starts_with("env:") || dsn.starts_with("file:") {
        return dsn.to_owned();
    }
    let mut builder = Options::builder();
    // Making a store does no I/O.
    let parsed =
        builder.set("dsn", dsn).and_then(|it| it.set("root", "/")).and_then(|it| it.build());
    parsed
        .map_or_else(|_| "(not a DSN)".to_owned(), |options| Store::new(options).dsn().to_string())
}

/// For the C part: writes a DSN without its secrets.
///
/// # Safety
///
/// `dsn` must point to `len` bytes to read, `out` to `size` bytes to write.
#[unsafe(no_mangle)]
unsafe extern "C" fn ezdfs_php_redact_dsn(
    dsn: *const u8,
    len: usize,
    out: *mut u8,
    size: usize,
) -> usize {
    // SAFETY: as the caller promises.
    let (dsn, out) = unsafe {
        (std::slice::from_raw_parts(dsn, len), std::slice::from_raw_parts_mut(out, size))
    };
    let shown = std::panic::catch_unwind(|| redacted(&String::from_utf8_lossy(dsn)));
    let shown = shown.unwrap_or_default();
    let count = shown.len().min(size);
    out[..count].copy_from_slice(&shown.as_bytes()[..count]);
    count
}
