//! The `ezdfs` command.

fn main() -> std::process::ExitCode {
    ezdfs::cli::run()
}
