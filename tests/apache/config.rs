//! What `apachectl configtest` says of mistakes.

use crate::support::apache::{Apache, Builder};
use crate::support::http::get;
use crate::support::{Group, Result, Servers};
use crate::web::door::Door;
use crate::web::site::{Site, url};

pub(super) fn register(group: &mut Group) {
    group.add("mistakes_name_their_directive_and_line", |_| mistakes());
    group.add("a_message_holds_no_secret", |_| no_secret());
    group.add("stores_may_stand_after_their_sections", stores_may_stand_after);
    group.add("an_option_may_come_from_the_environment", from_the_environment);
    group.add("off_ends_it_for_a_part", off_for_a_part);
}

const STORE: &str = "<EzdfsStore main>\ndsn sqlite:/nowhere/t.db\nroot /nowhere\n</EzdfsStore>\n";

#[track_caller]
fn refused(text: &str, expected: &str) -> Result {
    let (passes, said) = Apache::builder().main(text).test()?;
    assert!(!passes, "{text}\npasses");
    assert!(said.contains(expected), "{text}\nshould say {expected:?}:\n{said}");
    assert!(said.contains("Syntax error on line"), "{said}");
    Ok(())
}

fn block(options: &str) -> String {
    format!("<EzdfsStore main>\n{options}\n</EzdfsStore>\n")
}

fn mistakes() -> Result {
    let complete = "dsn sqlite:/nowhere/t.db\nroot /nowhere\n";
    for (options, expected) in [
        ("root /nowhere", "invalid EzdfsStore \"main\""),
        ("dsn sqlite:/nowhere/t.db", "invalid EzdfsStore \"main\""),
        ("dsn", "\"dsn\" takes one value in EzdfsStore \"main\", line"),
        ("root /a /b", "\"root\" takes one value"),
        ("colour blue", "invalid \"colour\""),
        ("cache_ttl soon", "invalid \"cache_ttl\""),
        ("root /a\nroot /b", "duplicate \"root\""),
        ("root /a;", "\"root\" ends with a semicolon"),
    ] {
        refused(&block(options), expected)?;
    }
    for (text, expected) in [
        (format!("{STORE}{STORE}"), "duplicate EzdfsStore \"main\""),
        (format!("<EzdfsStore>\n{complete}</EzdfsStore>\n"), "takes the name of a store"),
        (format!("<EzdfsStore off>\n{complete}</EzdfsStore>\n"), "takes the name of a store"),
        (format!("<EzdfsStore main>\n{complete}"), "has no </EzdfsStore>"),
        ("Ezdfs main\n".to_owned(), "unknown EzdfsStore \"main\""),
        (format!("{STORE}<Directory /nowhere>\nEzdfs main\n</Directory>\n"), "<Directory"),
        (format!("{STORE}EzdfsDrafts perhaps\n"), "EzdfsDrafts must be On or Off"),
        (format!("{STORE}EzdfsStripPrefix protected\n"), "EzdfsStripPrefix takes the beginning"),
    ] {
        refused(&text, expected)?;
    }
    let (passes, said) = Apache::builder().main(STORE).main("Ezdfs main\n").test()?;
    assert!(passes, "{said}");
    Ok(())
}

fn no_secret() -> Result {
    for options in [
        "mysql://u:hidden@db/x\nroot /nowhere",
        "dsn mysql://u:hidden@db/x y\nroot /nowhere",
        "dsn mysql://u:hidden@[::x]/x\nroot /nowhere",
    ] {
        let (passes, said) = Apache::builder().main(&block(options)).test()?;
        assert!(!passes && !said.contains("hidden"), "{said}");
    }
    Ok(())
}

fn apache(site: &Site) -> Builder {
    Door::Apache.of(site, "").apache()
}

fn stores_may_stand_after(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/a.png", b"a")?;
    let mut builder = apache(&site);
    let store = std::mem::take(&mut builder.main);
    let httpd = builder.main("<Location />\nEzdfs main\n</Location>\n").main(&store).start()?;
    assert_eq!(get(httpd.port(), &url("images/a.png")).body, b"a");
    Ok(())
}

fn from_the_environment(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/a.png", b"a")?;
    let root = site.root().display().to_string();
    let block =
        "<EzdfsStore main>\n# as given\ndsn env:SITE_DSN\nroot ${SITE_ROOT}\n</EzdfsStore>\n
                 Ezdfs main\n";
    let httpd = Apache::builder()
        .environment("SITE_DSN", &site.db.dsn)
        .environment("SITE_ROOT", &root)
        .main(block)
        .start()?;
    assert_eq!(get(httpd.port(), &url("images/a.png")).body, b"a", "{}", httpd.error_log());
    Ok(())
}

fn off_for_a_part(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/a.png", b"a")?;
    let part = url("images");
    let httpd = apache(&site)
        .server(&format!("Ezdfs main\n<Location {part}/closed>\nEzdfs Off\n</Location>\n"))
        .start()?;
    let static_file = httpd.dir().join("htdocs").join(&part[1..]).join("closed");
    std::fs::create_dir_all(&static_file)?;
    std::fs::write(static_file.join("b.txt"), "httpd's own")?;
    assert_eq!(get(httpd.port(), &url("images/a.png")).body, b"a");
    assert_eq!(get(httpd.port(), &url("images/closed/b.txt")).text(), "httpd's own");
    Ok(())
}
