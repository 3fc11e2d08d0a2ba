//! `ringdesk`: everything is in the library, so that tests reach it.

use std::process::ExitCode;

/// Gives memory back: hashing a password takes 19 MiB for a moment on whichever thread is free, and the C
/// library's allocator keeps that for each of them (docs/decisions/0005-mimalloc.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    engine::cli::run()
}
