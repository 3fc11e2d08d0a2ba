//! Which shard owns what, and how conversations are named.
//!
//! A conversation's id begins with the hash of its visitor, so the id alone says where it lives, and all
//! conversations of one visitor live on one shard. Shards are chosen by jump consistent hash (Lamping and
//! Veach, 2014): one more shard moves only the share that it takes over.

use std::fmt::Write;

/// Characters of the visitor's hash in a conversation id: 64 bits, five a character.
const HASH_CHARACTERS: usize = 13;
/// Characters of the number behind it: 45 bits.
const NUMBER_CHARACTERS: usize = 9;
/// Characters of an id that we give.
pub const ID_CHARACTERS: usize = HASH_CHARACTERS + 1 + NUMBER_CHARACTERS;
/// A name that a client brings back is below this, the year 2527: so there is always a next one.
pub const BEGUN_MS_MAX: u64 = 1 << 44;
/// Crockford's base 32: no letter that could be read as a digit.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

const NO_DIGIT: u8 = u8::MAX;
/// The inverse of [`ALPHABET`]: every message names its conversation.
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < ALPHABET.len() {
        digits[ALPHABET[digit] as usize] = digit as u8;
        digit += 1;
    }
    digits
};

/// FNV-1a with 64 bits (Fowler, Noll, Vo), then the finalizer of SplitMix64 so that every bit counts.
/// Stable for ever: ids on disk depend on it.
pub fn stable_hash(parts: &[&str]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        // The terminator keeps ("ab", "c") and ("a", "bc") apart.
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// The hash that places a visitor.
pub fn visitor_hash(site: &str, visitor: &str) -> u64 {
    stable_hash(&[site, visitor])
}

/// Jump consistent hash.
pub fn shard_of_hash(hash: u64, shards: usize) -> usize {
    let (mut key, mut bucket, mut next) = (hash, 0u64, 0u64);
    while next < shards as u64 {
        bucket = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        next = ((bucket + 1) as f64 * ((1u64 << 31) as f64 / ((key >> 33) + 1) as f64)) as u64;
    }
    bucket as usize
}

/// The shard that owns a visitor's conversations.
pub fn shard_of_visitor(site: &str, visitor: &str, shards: usize) -> usize {
    shard_of_hash(visitor_hash(site, visitor), shards)
}

/// The shard that owns the desk of a team.
pub fn shard_of_team(site: &str, team: &str, shards: usize) -> usize {
    shard_of_hash(stable_hash(&["team", site, team]), shards)
}

/// The shard that owns a conversation; `None` when the id is none of ours.
pub fn shard_of_conversation(id: &str, shards: usize) -> Option<usize> {
    hash_of_conversation(id).map(|hash| shard_of_hash(hash, shards))
}

/// The visitor's hash in a conversation id; `None` when the id is none of ours.
pub fn hash_of_conversation(id: &str) -> Option<u64> {
    let (hash, number) = id.split_once('-')?;
    let well_formed = hash.len() == HASH_CHARACTERS && (1..=HASH_CHARACTERS).contains(&number.len());
    decode(number).filter(|_| well_formed)?;
    decode(hash)
}

/// When the conversation began, of an id as [`conversation_id`] makes it; else `None`.
pub fn begun_ms(id: &str) -> Option<u64> {
    hash_of_conversation(id).filter(|_| id.len() == ID_CHARACTERS)?;
    decode(&id[HASH_CHARACTERS + 1..])
}

/// The id of a visitor's conversation begun at `begun_ms`; no two of one visitor may begin in the same
/// millisecond.
pub fn conversation_id(visitor_hash: u64, begun_ms: u64) -> String {
    let mut id = String::with_capacity(ID_CHARACTERS);
    encode(visitor_hash, HASH_CHARACTERS, &mut id);
    id.write_char('-').expect("a string takes all");
    encode(begun_ms, NUMBER_CHARACTERS, &mut id);
    id
}

fn encode(value: u64, characters: usize, out: &mut String) {
    for index in (0..characters).rev() {
        out.push(char::from(ALPHABET[(value >> (index * 5)) as usize & 31]));
    }
}

fn decode(text: &str) -> Option<u64> {
    text.bytes().try_fold(0u64, |value, byte| {
        let digit = DIGITS[usize::from(byte)];
        if digit == NO_DIGIT { None } else { value.checked_mul(32)?.checked_add(u64::from(digit)) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_leads_back_to_its_visitor_and_shard() {
        for visitor in ["u1", "", "访客", "anon-0000"] {
            let hash = visitor_hash("default", visitor);
            let id = conversation_id(hash, 1_795_000_000_123);
            assert_eq!(hash_of_conversation(&id), Some(hash), "{id}");
            assert_eq!(shard_of_conversation(&id, 4), Some(shard_of_visitor("default", visitor, 4)));
            assert_eq!((id.len(), begun_ms(&id)), (ID_CHARACTERS, Some(1_795_000_000_123)));
            assert_eq!(begun_ms(&conversation_id(hash, BEGUN_MS_MAX)), Some(BEGUN_MS_MAX));
            assert_eq!(begun_ms(&id[..id.len() - 1]), None);
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for id in [
            "",
            "-",
            "x",
            "0000000000000",
            "0000000000000-",
            "000000000000-0",
            "000000000000u-1",
            "zzzzzzzzzzzzz-1",
            "ＡＢ-1",
        ] {
            assert_eq!(shard_of_conversation(id, 4), None, "{id}");
        }
    }

    #[test]
    fn shards_get_equal_shares_and_growing_moves_only_the_new_share() {
        const KEYS: u64 = 20_000;
        let place =
            |shards| (0..KEYS).map(move |key| shard_of_hash(stable_hash(&[&key.to_string()]), shards));
        let mut shares = [0u64; 4];
        place(4).for_each(|shard| shares[shard] += 1);
        for share in shares {
            assert!((KEYS / 4 - KEYS / 40..=KEYS / 4 + KEYS / 40).contains(&share), "{shares:?}");
        }
        for (before, after) in place(4).zip(place(5)) {
            assert!(after == before || after == 4, "moved between old shards");
        }
    }

    #[test]
    fn the_hash_never_changes() {
        assert_eq!(
            conversation_id(visitor_hash("default", "u1"), 1_700_000_000_000),
            "76sewd1qmhecc-1hf7yat00"
        );
    }
}
