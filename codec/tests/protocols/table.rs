//! Reads the tables of vectors: one case a line, columns divided by two spaces or more, `#` before remarks.

use std::fmt;

/// One line of a table.
pub struct Case<'a> {
    /// From 1.
    pub number: usize,
    /// As in the file.
    pub line: &'a str,
}

/// The cases of a table.
pub fn table(text: &str) -> impl Iterator<Item = Case<'_>> {
    let lines = text.lines().enumerate().map(|(index, line)| Case { number: index + 1, line });
    lines.filter(|case| !case.line.is_empty() && !case.line.starts_with('#'))
}

impl<'a> Case<'a> {
    /// The columns; the last has the rest of the line, and those that are not there are empty.
    pub fn columns<const N: usize>(&self) -> [&'a str; N] {
        let mut columns = self.line.splitn(N, "  ").map(str::trim);
        std::array::from_fn(|_| columns.next().unwrap_or_default())
    }
}

impl fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.number, self.line)
    }
}

/// Bytes from text with the escapes `\r \n \t \0 \\` and `\xNN`.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let (byte, length) = match (first, after) {
            (b'\\', [b'r', ..]) => (b'\r', 2),
            (b'\\', [b'n', ..]) => (b'\n', 2),
            (b'\\', [b't', ..]) => (b'\t', 2),
            (b'\\', [b'0', ..]) => (b'\0', 2),
            (b'\\', [b'\\', ..]) => (b'\\', 2),
            (b'\\', [b'x', high, low, ..]) => (from_hex(&format!("{}{}", *high as char, *low as char))[0], 4),
            (byte, _) => (*byte, 1),
        };
        bytes.push(byte);
        rest = &rest[length..];
    }
    bytes
}

/// Bytes from pairs of hexadecimal digits; spaces between them do not count.
pub fn from_hex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .filter(|letter| *letter != ' ')
        .map(|digit| digit.to_digit(16).expect("hexadecimal digits") as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The same bytes mean the same whole, cut anywhere, and byte by byte.
pub fn assert_at_every_split(
    bytes: &[u8],
    expected: &[&str],
    case: &dyn std::fmt::Display,
    understand: impl Fn(&[&[u8]]) -> Vec<String>,
) {
    assert_eq!(understand(&[bytes]), expected, "{case}");
    for at in 0..=bytes.len() {
        let (start, end) = bytes.split_at(at);
        assert_eq!(understand(&[start, end]), expected, "{case} split at {at}");
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(understand(&single), expected, "{case} byte by byte");
}
