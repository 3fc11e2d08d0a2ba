//! Packs what `make web` built (`web/dist`) into the server: each file once, compressed with gzip.
//!
//! Without `web/dist` the server is built all the same, and its pages say what to run.

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};

const MISSING: &str = "<!doctype html><meta charset=utf-8><title>ringdesk</title>\
    <p>This server was built without its web pages. Run <code>make web</code>, then build it again.\n";

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let dist = root.join("../web/dist");
    // A path that is not there would count as changed at every build.
    fs::create_dir_all(&dist)?;
    println!("cargo::rerun-if-changed=../web/dist");
    println!("cargo::rerun-if-changed=build.rs");
    let mut files = Vec::new();
    collect(&dist, &mut files)?;
    let mut assets: Vec<(String, Vec<u8>)> = Vec::new();
    for path in files {
        let name = path.strip_prefix(&dist).expect("found below it").to_str();
        let name = name.ok_or_else(|| io::Error::other(format!("{} is not UTF-8", path.display())))?;
        assets.push((name.to_owned(), fs::read(&path)?));
    }
    for page in ["console/index.html", "demo/index.html"] {
        if assets.iter().all(|(name, _)| name != page) {
            assets.push((page.to_owned(), MISSING.into()));
        }
    }
    // The server searches by halves.
    assets.sort();
    write_table(&out, &assets)
}

/// All files below, except the compressed siblings: those are made here, for every file alike; and except
/// hidden ones, which are notes of the build.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
            continue;
        }
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_none_or(|extension| extension != "gz") {
            files.push(path);
        }
    }
    Ok(())
}

fn write_table(out: &Path, assets: &[(String, Vec<u8>)]) -> io::Result<()> {
    let mut table = String::from("[\n");
    for (index, (name, bytes)) in assets.iter().enumerate() {
        let packed_path = out.join(format!("asset-{index}.gz"));
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes)?;
        fs::write(&packed_path, encoder.finish()?)?;
        let tag = fingerprint(bytes);
        let length = bytes.len();
        writeln!(
            table,
            "Asset {{ path: {name:?}, tag: \"\\\"{tag:016x}\\\"\", bytes: {length}, gzip: include_bytes!({packed_path:?}) }},"
        )
        .map_err(io::Error::other)?;
    }
    table.push_str("]\n");
    fs::write(out.join("assets.rs"), table)
}

/// FNV-1a: tells versions of a file apart, nothing more.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
