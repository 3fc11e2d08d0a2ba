//! What one person has said and not yet seen acknowledged. It is sent again after a refusal that names a time,
//! and after each reconnect.

use std::sync::Arc;

use codec::message::{ClientMessage, Content};

use crate::{
    ledger::{MessageName, Side},
    link,
    schedule::Random,
};

/// What people say: short and long, in both languages.
const PHRASES: [&str; 6] = [
    "你好，请问这件衣服还有 L 码吗？",
    "Has my order left the warehouse yet? It was promised for yesterday.",
    "好的，谢谢！",
    "我上周买的耳机左边没有声音，想换一副新的。订单号是 20261111000123，麻烦帮我看一下怎么处理比较快，我这边比较着急用。",
    "Can I change the delivery address?",
    "稍等，我找一下订单号。",
];

/// What one person has said and not yet seen acknowledged, oldest first.
#[derive(Debug, Default)]
pub struct Post {
    open: Vec<Letter>,
}

#[derive(Debug)]
struct Letter {
    name: MessageName,
    conversation: Option<Arc<str>>,
}

impl Post {
    /// Something new to say; it leaves with [`Post::send`].
    pub fn add(&mut self, name: MessageName, conversation: Option<Arc<str>>) {
        self.open.push(Letter { name, conversation });
    }

    /// It needs no resending any more.
    pub fn settle(&mut self, name: MessageName) {
        if let Some(at) = self.open.iter().position(|letter| letter.name == name) {
            self.open.remove(at);
        }
    }

    /// Appends the message to `out`, if it is still open.
    pub fn send(&self, name: MessageName, random: &mut Random, out: &mut Vec<u8>) {
        if let Some(letter) = self.open.iter().find(|letter| letter.name == name) {
            letter.encode(random, out);
        }
    }

    /// Appends everything that is open to `out`.
    pub fn send_all(&self, random: &mut Random, out: &mut Vec<u8>) {
        for letter in &self.open {
            letter.encode(random, out);
        }
    }
}

impl Letter {
    fn encode(&self, random: &mut Random, out: &mut Vec<u8>) {
        let MessageName { side, visitor, number, .. } = self.name;
        // The same words again for a resend.
        let phrase = PHRASES[(visitor as usize + number as usize + usize::from(side == Side::Agent)) % 6];
        let message = ClientMessage::Message {
            id: self.name.to_string().into(),
            conversation: self.conversation.as_deref().map(Into::into),
            content: Content::Text { text: phrase.into() },
        };
        link::encode(&message, random, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_sent_again_and_what_is_settled_is_not() {
        let mut post = Post::default();
        let name = |number| MessageName { run: 1, side: Side::Visitor, visitor: 0, number };
        for number in 0..3 {
            post.add(name(number), None);
        }
        post.settle(name(1));
        post.settle(name(7));
        let bytes = |post: &Post, which: Option<u32>| {
            let mut out = Vec::new();
            match which {
                Some(number) => post.send(name(number), &mut Random::new(1, 1), &mut out),
                None => post.send_all(&mut Random::new(1, 1), &mut out),
            }
            out.len()
        };
        assert_eq!(bytes(&post, Some(1)), 0);
        let (first, last) = (bytes(&post, Some(0)), bytes(&post, Some(2)));
        assert!(first > 0 && last > 0);
        assert_eq!(bytes(&post, None), first + last);
    }
}
