//! What is searched: the words of a message, a query as the index understands it, and where they meet.
//!
//! SQLite's `unicode61` tokenizer cuts words at spaces, which Chinese does not have. So each character of Chinese,
//! Japanese and Korean becomes a word of its own here, in the index and in queries alike, and a run of them in a query
//! is a phrase: 退款 finds every text that has these two side by side, whatever a dictionary would say. Latin words are
//! matched without case and accents, the last one of a query by its beginning.

use serde::Deserialize;

/// Terms of a query beyond these are left out.
const TERMS_MAX: usize = 16;
/// Characters of a snippet, without the ellipses.
const SNIPPET_CHARACTERS: usize = 160;
/// Of these, at most so many before the first match.
const SNIPPET_BEFORE: usize = 40;

/// The fields of a content that people wrote.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Said {
    text: String,
    title: String,
    name: String,
    number: String,
}

/// What a content says, for people to read: its texts, one a line.
pub fn said(content: &str) -> String {
    let Said { text, title, name, number } = serde_json::from_str(content).unwrap_or_default();
    let parts = [title, text, name, number];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A text as it goes into the index.
pub(super) fn indexed(text: &str) -> String {
    let mut words = String::with_capacity(text.len() + text.len() / 2);
    for character in text.chars().map(narrow) {
        if is_word_of_its_own(character) {
            words.extend([' ', character, ' ']);
        } else {
            words.push(character);
        }
    }
    words
}

/// The parts of a query, each to be found somewhere in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms(Vec<String>);

impl Terms {
    /// Of what somebody typed; `None`: there is nothing in it to search for.
    pub fn parse(query: &str) -> Option<Self> {
        let typed = query.split_whitespace().map(|term| term.chars().map(narrow).collect::<String>());
        let terms: Vec<String> =
            typed.filter(|term| term.chars().any(char::is_alphanumeric)).take(TERMS_MAX).collect();
        (!terms.is_empty()).then_some(Self(terms))
    }

    /// As the index is asked. Each term is a quoted string, in which nothing has a meaning but the quote itself.
    pub(super) fn expression(&self) -> String {
        let last = self.0.len() - 1;
        let quoted = self.0.iter().enumerate().map(|(place, term)| {
            let text: String = indexed(term).chars().filter(|c| !matches!(c, '"' | '\0')).collect();
            let is_open =
                place == last && term.ends_with(|c: char| !is_word_of_its_own(c) && c.is_alphanumeric());
            format!("\"{text}\"{}", if is_open { " *" } else { "" })
        });
        quoted.collect::<Vec<_>>().join(" AND ")
    }

    /// The part of a text around the first match, cut into what matches and what does not. What the index finds by
    /// its own rules (an accent) may have no match here: then it is the beginning of the text.
    pub fn snippet(&self, text: &str) -> Vec<SnippetPart> {
        let characters: Vec<char> = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let folded: Vec<char> = characters.iter().map(|c| fold(*c)).collect();
        let mut matching = vec![false; characters.len()];
        for term in &self.0 {
            let term: Vec<char> = term.chars().map(fold).collect();
            for (start, window) in folded.windows(term.len()).enumerate() {
                if window == term {
                    matching[start..start + term.len()].fill(true);
                }
            }
        }
        let first = matching.iter().position(|matches| *matches).unwrap_or(0);
        let start = first.saturating_sub(SNIPPET_BEFORE);
        let end = (start + SNIPPET_CHARACTERS).min(characters.len());
        parts(&characters, &matching, start, end)
    }
}

/// A piece of a snippet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnippetPart {
    /// The characters.
    pub text: String,
    /// Whether it is what was searched for.
    pub matches: bool,
}

fn parts(characters: &[char], matching: &[bool], start: usize, end: usize) -> Vec<SnippetPart> {
    let mut parts: Vec<SnippetPart> = Vec::new();
    let mut add = |text: char, matches: bool| match parts.last_mut() {
        Some(last) if last.matches == matches => last.text.push(text),
        _ => parts.push(SnippetPart { text: text.into(), matches }),
    };
    if start > 0 {
        add('…', false);
    }
    for (character, matches) in characters[start..end].iter().zip(&matching[start..end]) {
        add(*character, *matches);
    }
    if end < characters.len() {
        add('…', false);
    }
    parts
}

/// Full-width Latin letters and digits, as Chinese keyboards make them, as the ordinary ones.
fn narrow(character: char) -> char {
    match character {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(character as u32 - 0xfee0).unwrap_or(character),
        '\u{3000}' => ' ',
        _ => character,
    }
}

/// One character for one, so that places in both are the same.
fn fold(character: char) -> char {
    let mut lower = narrow(character).to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(one), None) => one,
        _ => character,
    }
}

/// Han, kana, bopomofo and hangul (Unicode 16, blocks).
const fn is_word_of_its_own(character: char) -> bool {
    matches!(
        character as u32,
        0x1100..=0x11ff
            | 0x2e80..=0x2fdf
            | 0x3040..=0x312f
            | 0x3130..=0x318f
            | 0x31a0..=0x31bf
            | 0x31f0..=0x31ff
            | 0x3400..=0x4dbf
            | 0x4e00..=0x9fff
            | 0xac00..=0xd7af
            | 0xf900..=0xfaff
            | 0xff66..=0xff9f
            | 0x20000..=0x3ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_says_what_people_wrote_in_it() {
        for (content, expected) in [
            (r#"{"kind":"text","text":"你好"}"#, "你好"),
            (r#"{"text":"a note"}"#, "a note"),
            (r#"{"kind":"file","url":"https://x/y","name":"invoice.pdf"}"#, "invoice.pdf"),
            (r#"{"kind":"order","number":"A-17","title":"绿茶"}"#, "绿茶\nA-17"),
            (r#"{"agent":"li"}"#, ""),
            ("no JSON", ""),
        ] {
            assert_eq!(said(content), expected, "{content}");
        }
    }

    #[test]
    fn a_query_becomes_quoted_terms_whatever_is_typed() {
        for (query, expected) in [
            ("退款", Some("\" 退  款 \"")),
            ("Refund please", Some("\"Refund\" AND \"please\" *")),
            ("退款 Order12", Some("\" 退  款 \" AND \"Order12\" *")),
            ("ＡＢＣ　１２", Some("\"ABC\" AND \"12\" *")),
            ("\"退\" OR *", Some("\" 退 \" AND \"OR\" *")),
            ("a\"b NEAR(c", Some("\"ab\" AND \"NEAR(c\" *")),
            ("c++", Some("\"c++\"")),
            ("?! …", None),
            ("", None),
        ] {
            assert_eq!(Terms::parse(query).map(|terms| terms.expression()).as_deref(), expected, "{query}");
        }
    }

    #[test]
    fn a_snippet_shows_the_first_match_and_marks_all() {
        let shown = |query: &str, text: &str| {
            let parts = Terms::parse(query).expect("something").snippet(text);
            parts
                .iter()
                .map(|part| if part.matches { format!("[{}]", part.text) } else { part.text.clone() })
                .collect::<String>()
        };
        assert_eq!(shown("退款", "我想退款，退款多久到？"), "我想[退款]，[退款]多久到？");
        assert_eq!(shown("REF", "No refund\nfor Ref 7"), "No [ref]und for [Ref] 7");
        assert_eq!(shown("é", "caf\u{65}\u{301}"), "caf\u{65}\u{301}");
        let long = format!("{}退款{}", "前".repeat(100), "后".repeat(300));
        let snippet = shown("退款", &long);
        assert!(
            snippet.starts_with('…') && snippet.ends_with('…') && snippet.contains("[退款]"),
            "{snippet}"
        );
        assert_eq!(snippet.chars().count(), SNIPPET_CHARACTERS + 4);
    }
}
