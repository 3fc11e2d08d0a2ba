//! The diagram of `docs/dialog.md` is the one that the code makes.

use std::{fs, path::Path};

const BEGIN: &str = "```mermaid\n";
const END: &str = "```\n";

#[test]
fn the_document_has_the_diagram_that_the_code_makes() {
    let path = "../../docs/dialog.md";
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("the document is there");
    let (before, rest) = text.split_once(BEGIN).expect("it has a diagram");
    let (_, after) = rest.split_once(END).expect("the diagram ends");
    super::assert_current(path, &format!("{before}{BEGIN}{}{END}{after}", dialog::diagram::mermaid()));
}
