//! The little of base64 (RFC 4648 section 4) that the handshake needs.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A key of 16 bytes in base64.
pub(super) const KEY_CHARS: usize = 24;

/// A SHA-1 of 20 bytes in base64.
pub(super) const SHA1_CHARS: usize = 28;

/// `CHARS` is what `bytes` take, padded: asserted, as both are fixed.
pub(super) fn encode<const BYTES: usize, const CHARS: usize>(bytes: &[u8; BYTES]) -> [u8; CHARS] {
    const { assert!(CHARS == BYTES.div_ceil(3) * 4) };
    let mut chars = [b'='; CHARS];
    for (group, quad) in bytes.chunks(3).zip(chars.chunks_mut(4)) {
        let mut padded = [0; 4];
        padded[1..=group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes(padded);
        for (index, char) in quad.iter_mut().enumerate().take(group.len() + 1) {
            *char = ALPHABET[(bits >> (18 - 6 * index)) as usize & 63];
        }
    }
    chars
}

/// Whether `chars` decodes to exactly 16 bytes.
pub(super) fn is_16_bytes(chars: &[u8]) -> bool {
    chars.strip_suffix(b"==").is_some_and(|digits| {
        digits.len() == KEY_CHARS - 2 && digits.iter().all(|digit| ALPHABET.contains(digit))
    })
}
