//! Writes include/ezdfs.h from src/capi: `cargo run --example header -- FILE`.
//!
//! An example rather than a build script, so that who builds the crate needs no cbindgen, and no
//! installed cbindgen of another version can change the file.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use ezdfs::ErrorKind;
use tempfile::NamedTempFile;

fn main() -> Result<(), Box<dyn Error>> {
    let output = std::env::args_os().nth(1).ok_or("usage: header FILE")?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut config = cbindgen::Config::from_file(root.join("cbindgen.toml"))?;
    config.header = Some(NOTICE.to_owned());
    config.after_includes = Some(version_macros() + INIT);
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in sources(&root.join("src/capi"))? {
        builder = builder.with_src(source);
    }
    let results = results()?;
    builder = builder.with_src(results.path());
    let mut header = Vec::new();
    builder.generate()?.write(&mut header);
    fs::write(output, for_c(&String::from_utf8(header)?))?;
    Ok(())
}

/// Takes out of the comments what only rustdoc reads: headings and links.
fn for_c(header: &str) -> String {
    let lines = header.lines().map(|line| match line.split_once(" * # ") {
        Some((indent, heading)) => format!("{indent} * {heading}:\n"),
        None => format!("{}\n", line.replace("[`", "`").replace("`]", "`")),
    });
    lines.collect()
}

const NOTICE: &str = "\
/* The C interface of ezdfs. Generated from src/capi by `make header`: do not edit. */
/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/*
 * What holds for every function, where it says nothing else.
 *
 * Threads: any thread may call it, several at a time. Of ezdfs_options and ezdfs_queue one thread at a time.
 *
 * fork: a child may use a store that its parent has used, and starts afresh with it. A queue stays with the process
 * that made it. A file that was open before a fork stays open in both: each frees its own handle, and reads at offsets
 * of its own, for they share the descriptor's.
 *
 * Callbacks of ezdfs_store_create, ezdfs_store_put_data, ezdfs_store_list and ezdfs_store_purge run on the calling thread
 * and may call the library, also for the same store. They return; they neither throw nor jump.
 *
 * Structs begin with struct_size, which the caller sets to sizeof of its struct: EZDFS_INIT(type) does, all else zero.
 * They grow at their ends, so that a program and a library of other versions work together. Of what is handed in, what
 * the program's header does not have is zero, and what the library does not know must be zero, or the call fails. Of
 * what is filled in, nothing beyond the program's struct is written, and what the library does not know is set to zero.
 * A struct_size that no version has had is refused before anything is done, with EZDFS_RESULT_INVALID_INPUT.
 *
 * Failure: what a parameter _out would have got is left as it was, and `err`, where it is given, is filled in.
 *
 * Signals: nothing may be called in a signal's handler.
 */";

/// Once for each language: C++ has no compound literals, and C no lambdas.
const INIT: &str = "

/**
 * A struct with its size, all else zero: `ezdfs_error error = EZDFS_INIT(ezdfs_error);`
 */
#ifdef __cplusplus
#define EZDFS_INIT(type) ([] { type empty = type(); empty.struct_size = sizeof(type); return empty; }())
#else
#define EZDFS_INIT(type) ((type){ .struct_size = sizeof(type) })
#endif";

/// The enum of results, as source: cbindgen sees no macro's.
fn results() -> std::io::Result<NamedTempFile> {
    let mut source = NamedTempFile::new()?;
    writeln!(source, "/// What a call came to. Codes are stable: never renumbered, never reused.")?;
    writeln!(source, "#[repr(u32)]\npub enum ezdfs_result {{\n/// It worked.\nOk = 0,")?;
    for kind in ErrorKind::ALL {
        for line in kind.meaning().lines() {
            writeln!(source, "///{line}")?;
        }
        writeln!(source, "{kind:?} = {},", kind.code())?;
    }
    writeln!(source, "}}")?;
    Ok(source)
}

/// The module's main file first, for its items introduce the others; the rest by name.
fn sources(dir: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let entries = fs::read_dir(dir).map_err(|e| format!("read {}: {e}", dir.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    files.sort_by_key(|file| (!file.ends_with("mod.rs"), file.clone()));
    let main = dir.with_extension("rs");
    Ok(main.is_file().then_some(main).into_iter().chain(files).collect())
}

fn version_macros() -> String {
    format!(
        "\n#define EZDFS_VERSION_MAJOR {}\n#define EZDFS_VERSION_MINOR {}\n\
         #define EZDFS_VERSION_PATCH {}",
        env!("CARGO_PKG_VERSION_MAJOR"),
        env!("CARGO_PKG_VERSION_MINOR"),
        env!("CARGO_PKG_VERSION_PATCH"),
    )
}
