//! A module that was built for another nginx: without threads, and for the newest stable one.

use crate::support::http::get;
use crate::support::nginx::{Builder, Nginx, Release};
use crate::support::{Group, Need, Result, built};

/// Built with `--with-compat` alone.
const WITHOUT_THREADS: &str = "test-nginx/without-threads.so";

pub(super) fn register(group: &mut Group) {
    let without = Need::Built(WITHOUT_THREADS);
    group.add_needing("module_without_threads_says_so", without, without_threads);
    group.add_needing("limit_of_files_is_warned_of", Need::MODULE, limit_of_files);
    group.add_needing("newest_nginx_loads_the_module", Need::NEWEST_NGINX, newest);
}

const STORE: &str = "ezdfs_store main { dsn sqlite:/nonexistent/db; root /nonexistent; }\n";

fn test(builder: Builder, server: &str) -> Result<(bool, String)> {
    builder.http(STORE).server(server).test()
}

fn without_threads() -> Result {
    let module = built(WITHOUT_THREADS).to_string_lossy().into_owned();
    let ask = |server: &str| test(Nginx::bare(Release::Installed).load_module(&module), server);
    for server in
        ["location / { ezdfs main; ezdfs_threads on; }", "ezdfs_threads on; location / { }"]
    {
        let (passes, output) = ask(server)?;
        assert!(!passes, "{server} passes: {output}");
        let words = "\"ezdfs_threads on\" is unsupported on this platform";
        assert!(output.contains("[emerg]") && output.contains(words), "{server}: {output}");
    }
    let warning = "the ezdfs module was built without \"--with-threads\"";
    let (passes, output) = ask("location / { ezdfs main; } location /a { ezdfs main; }")?;
    assert!(passes && output.matches(warning).count() == 1, "{output}");
    for quiet in [
        "location / { ezdfs main; ezdfs_threads off; }",
        "location / { ezdfs main; aio threads; }",
        "location / { return 204; }",
    ] {
        let (passes, output) = ask(quiet)?;
        assert!(passes && !output.contains("[warn]"), "{quiet}: {output}");
    }
    // The module that `make build` leaves has them.
    let (passes, output) =
        test(Nginx::with_module(), "location / { ezdfs main; ezdfs_threads on; }")?;
    assert!(passes && !output.contains("[warn]"), "{output}");
    Ok(())
}

fn limit_of_files() -> Result {
    let warning = "[warn] a worker may open 20 files, and ezdfs needs 64";
    let ask = |main: &str| test(Nginx::with_module().main(main), "location / { ezdfs main; }");
    let (passes, output) = ask("worker_rlimit_nofile 20;")?;
    assert!(passes && output.contains(warning), "{output}");
    let (passes, output) = ask("worker_rlimit_nofile 1024;")?;
    assert!(passes && !output.contains("[warn]"), "{output}");
    // Where no store is, nothing is needed.
    let builder = Nginx::with_module().main("worker_rlimit_nofile 20;");
    let (passes, output) = builder.server("return 204;").test()?;
    assert!(passes && !output.contains("a worker may open"), "{output}");
    Ok(())
}

fn newest() -> Result {
    let builder = Nginx::of(Release::Newest).http(STORE);
    let nginx = builder.server("return 200 $nginx_version; location /e { ezdfs main; }").start()?;
    let version = get(nginx.port(), "/").text();
    let numbers: Vec<u32> = version.split('.').filter_map(|part| part.parse().ok()).collect();
    assert!(numbers.as_slice() > [1, 22, 1].as_slice(), "{version}");
    Ok(())
}
