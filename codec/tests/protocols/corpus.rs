//! The fuzz bodies over the kept corpus and over seeded mutations of it. A finding of a fuzzer becomes a file
//! in `codec/fuzz/corpus/`, named after what it shows.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use codec::fuzz::{self, Mutations};

const MUTATIONS_A_FILE: usize = 400;

/// Runs `body` over every file of a corpus and over mutations of it; a failure shows the bytes.
fn check(target: &str, body: fn(&[u8])) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the corpus is a folder")
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    files.sort();
    assert!(files.len() >= 20, "the corpus of {target} has {} files", files.len());
    for (seed, file) in files.iter().enumerate() {
        let original = std::fs::read(file).expect("a corpus file can be read");
        let run = |bytes: &[u8]| {
            let held = catch_unwind(AssertUnwindSafe(|| body(bytes)));
            assert!(held.is_ok(), "{} failed on \"{}\"", file.display(), bytes.escape_ascii());
        };
        run(&original);
        Mutations::new(seed as u64, &original).take(MUTATIONS_A_FILE).for_each(|bytes| run(&bytes));
    }
}

#[test]
fn http_holds_over_its_corpus_and_mutations_of_it() {
    check("http", fuzz::http);
}

#[test]
fn websocket_holds_over_its_corpus_and_mutations_of_it() {
    check("websocket", fuzz::websocket);
}

#[test]
fn deflate_holds_over_its_corpus_and_mutations_of_it() {
    check("deflate", fuzz::deflate);
}

#[test]
fn json_holds_over_its_corpus_and_mutations_of_it() {
    check("json", fuzz::json);
}

#[test]
fn proxy_holds_over_its_corpus_and_mutations_of_it() {
    check("proxy", fuzz::proxy);
}

#[test]
fn the_same_seed_gives_the_same_mutations() {
    let some = |seed| Mutations::new(seed, b"some bytes").take(20).collect::<Vec<_>>();
    assert_eq!(some(1), some(1));
    assert_ne!(some(1), some(2));
}
