//! A file system that shows a directory as a slow or forgetful NFS client does:
//! `cargo run --example nfs_client -- mount --from DIR --at DIR --latency 500us`

#![allow(dead_code, unreachable_pub, reason = "the tests use the rest")]

mod behaviour;
mod client;
mod files;
mod program;
mod session;

fn main() -> std::process::ExitCode {
    program::main(std::env::args().skip(1))
}
