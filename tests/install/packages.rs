//! The packages as Composer and PIE take them, from repositories that are made of this tree.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::process::{program, run, scratch};
use crate::support::{Need, Result, Trials, built};

use super::{refused, unpack};

const EXTENSION: &str = "ezdfs/ezdfs";
const BUNDLE: &str = "ezdfs/ezdfs-bundle";
/// What the bundle requires of Symfony.
const SYMFONY: [&str; 4] = ["config", "dependency-injection", "http-foundation", "http-kernel"];
/// What Composer and the bundle need, of which Debian makes modules.
const MODULES: [&str; 5] = [
    "extension=ctype",
    "extension=fileinfo",
    "extension=iconv",
    "extension=phar",
    "extension=tokenizer",
];

pub(super) fn register(trials: &mut Trials) {
    let needs = [Need::Programs(&["composer", "git", "php"]), Need::Built("ezdfs.so")];
    let mut group = trials.group("install", &needs);
    group.add("composer_takes_the_extension_from_a_path", |_| extension("path"));
    group.add("composer_takes_the_extension_from_a_repository", |_| extension("vcs"));
    group.add("composer_takes_the_bundle_from_a_path", |_| bundle("path"));
    group.add("composer_takes_the_bundle_from_a_repository", |_| bundle("vcs"));
}

/// A place for the repositories, Composer's own files and a project.
struct Place(TempDir);

impl Place {
    fn new() -> Result<Self> {
        let place = Self(scratch());
        unpack(&place.tree())?;
        fs::create_dir(place.project())?;
        Ok(place)
    }

    fn tree(&self) -> PathBuf {
        self.0.path().join("tree")
    }

    fn project(&self) -> PathBuf {
        self.0.path().join("project")
    }

    /// The whole tree as a repository of git.
    fn commit(&self) -> Result<PathBuf> {
        let git = |arguments: &[&str]| {
            let person = ["-c", "user.name=a", "-c", "user.email=a@localhost"];
            run(Command::new("git").args(person).args(arguments).current_dir(self.tree()))
        };
        git(&["init", "--quiet", "--initial-branch=main"])?;
        git(&["add", "--all"])?;
        git(&["commit", "--quiet", "--message=all"])?;
        Ok(self.tree())
    }

    /// The bundle's repository, as it is published.
    fn split(&self) -> Result<PathBuf> {
        let tree = self.commit()?;
        let repository = self.0.path().join("bundle.git");
        run(Command::new("git")
            .args(["init", "--quiet", "--bare", "--initial-branch=main"])
            .arg(&repository))?;
        run(Command::new(tree.join(".ci/split-bundle")).arg(&repository).arg("main"))?;
        Ok(repository)
    }

    /// A project that requires a package of this repository, and asks nobody else.
    fn write_project(
        &self,
        package: &str,
        kind: &str,
        repository: &Path,
        provide: &Value,
    ) -> Result {
        let here = json!({ "type": kind, "url": repository, "options": { "symlink": false } });
        let project = json!({
            "repositories": [{ "packagist.org": false }, here],
            "require": { package: "*@dev" },
            "provide": provide,
        });
        Ok(fs::write(self.project().join("composer.json"), project.to_string())?)
    }

    /// PHP without its own configuration: an extension that is installed already is none of ours.
    fn php(&self) -> Command {
        let mut php = Command::new("php");
        php.arg("-n").args(MODULES.iter().flat_map(|module| ["-d", module]));
        php.current_dir(self.project()).env("COMPOSER_HOME", self.0.path().join("home"));
        php.env("COMPOSER_ALLOW_SUPERUSER", "1");
        php
    }

    fn installed(&self, package: &str) -> PathBuf {
        self.project().join("vendor").join(package)
    }
}

fn extension(kind: &str) -> Result {
    let place = Place::new()?;
    let repository = if kind == "path" { place.tree() } else { place.commit()? };
    place.write_project(EXTENSION, kind, &repository, &json!({}))?;
    run(place.php().arg(super::repository().join("tests/install/pie.php")))?;
    let manifest = fs::read(place.installed(EXTENSION).join("composer.json"))?;
    let manifest: Value = serde_json::from_slice(&manifest)?;
    let folder = manifest["php-ext"]["build-path"].as_str().ok_or("no build-path")?;
    let folder = place.installed(EXTENSION).join(folder);
    assert!(folder.join("config.m4").is_file(), "no config.m4 in {}", folder.display());
    Ok(())
}

fn bundle(kind: &str) -> Result {
    let place = Place::new()?;
    let repository =
        if kind == "path" { place.tree().join("php/bundle") } else { place.split()? };
    // Debian's packages are no packages of Composer's: the project has them already.
    let loader = "require 'Symfony/Component/HttpKernel/autoload.php';";
    let version = format!("{loader} echo Symfony\\Component\\HttpKernel\\Kernel::VERSION;");
    let version = run(Command::new("php").arg("-r").arg(version))?;
    let provide = SYMFONY.iter().map(|name| (format!("symfony/{name}"), json!(version)));
    place.write_project(BUNDLE, kind, &repository, &Value::Object(provide.collect()))?;

    let composer = program("composer").ok_or("no composer")?;
    let install = |php: &mut Command| {
        php.arg(&composer).args(["install", "--no-interaction", "--no-plugins"]);
    };
    let mut without = place.php();
    install(&mut without);
    let said = refused(&mut without)?;
    assert!(said.contains("ext-ezdfs"), "{said}");

    let extension = format!("extension={}", built("ezdfs.so").display());
    let mut with = place.php();
    install(with.arg("-d").arg(&extension));
    run(&mut with)?;
    let name = format!(
        "{loader} require 'vendor/autoload.php'; echo (new Ezdfs\\Bundle\\EzdfsBundle())->getName();"
    );
    let name = run(place.php().arg("-d").arg(&extension).arg("-r").arg(name))?;
    assert_eq!(name, "EzdfsBundle");
    Ok(())
}
