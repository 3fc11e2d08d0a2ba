//! A server's frames, told apart and no more: the generator must be cheap, and what is in them was tested elsewhere.

/// What is not whole yet.
#[derive(Debug, Default)]
pub(super) struct Frames {
    held: Vec<u8>,
}

impl Frames {
    /// Reports the payload of each text frame that is whole now.
    pub fn receive(&mut self, bytes: &[u8], mut on_text: impl FnMut(&[u8])) {
        if self.held.is_empty() {
            let used = whole(bytes, &mut on_text);
            self.held.extend_from_slice(&bytes[used..]);
        } else {
            self.held.extend_from_slice(bytes);
            let used = whole(&self.held, &mut on_text);
            self.held.drain(..used);
        }
    }
}

/// Bytes of all whole frames.
fn whole(bytes: &[u8], on_text: &mut impl FnMut(&[u8])) -> usize {
    let mut used = 0;
    loop {
        let (opcode, length, rest) = match &bytes[used..] {
            [opcode, 126, high, low, rest @ ..] => {
                (opcode, usize::from(*high) << 8 | usize::from(*low), rest)
            }
            [opcode, length @ ..126, rest @ ..] => (opcode, usize::from(*length), rest),
            // Nobody sends 64 KiB here.
            _ => return used,
        };
        let Some(payload) = rest.get(..length) else { return used };
        if *opcode == 0x81 {
            on_text(payload);
        }
        used = bytes.len() - rest.len() + length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_split_gives_the_same_texts() {
        let long = [&[0x81, 126, 0, 200], [b'x'; 200].as_slice()].concat();
        let stream = [b"\x81\x02hi\x89\x01p".as_slice(), &long, b"\x81\x00"].concat();
        for step in [1, 2, 3, 150, stream.len()] {
            let (mut frames, mut texts) = (Frames::default(), Vec::new());
            for piece in stream.chunks(step) {
                frames.receive(piece, |text| texts.push(text.len()));
            }
            assert_eq!(texts, [2, 200, 0], "in steps of {step}");
        }
    }
}
