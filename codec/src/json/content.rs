//! Contents of messages: what of them is accepted, and the one JSON text that is journaled and shown.

use super::check::{SEQ_MAX, needed, optional_name, optional_number, optional_url, optional_words};
use super::encode::Object;
use super::error::Fault;
use super::object::{Field, object};
use crate::message::Content;

object! {
    /// The members of every kind of content.
    ContentObject {
        kind: Field<'a> = "kind",
        text: Field<'a> = "text",
        url: Field<'a> = "url",
        name: Field<'a> = "name",
        bytes: Field<'a> = "bytes",
        title: Field<'a> = "title",
        image: Field<'a> = "image",
        number: Field<'a> = "number",
        amount: Field<'a> = "amount",
    }
}

const KINDS: Fault = Fault::BadField { field: "content.kind", expected: "text, image, file, card or order" };

impl<'a> ContentObject<'a> {
    pub(super) fn check(self) -> Result<Content<'a>, Fault> {
        if let Some(field) = self.repeated {
            return Err(Fault::RepeatedField { field });
        }
        let kind = match &self.kind {
            Field::Text(kind) => kind.as_ref(),
            Field::Missing => return Err(Fault::MissingField { field: "content.kind" }),
            Field::Unsigned(_) | Field::Other => return Err(KINDS),
        };
        match kind {
            "text" => Ok(Content::Text {
                text: needed(optional_words(self.text, "content.text")?, "content.text")?,
            }),
            "image" => Ok(Content::Image {
                url: needed(optional_url(self.url, "content.url")?, "content.url")?,
                name: optional_name(self.name, "content.name")?,
            }),
            "file" => Ok(Content::File {
                url: needed(optional_url(self.url, "content.url")?, "content.url")?,
                name: needed(optional_name(self.name, "content.name")?, "content.name")?,
                bytes: optional_number(&self.bytes, "content.bytes", 0..=SEQ_MAX, "a number of bytes")?,
            }),
            "card" => Ok(Content::Card {
                title: needed(optional_name(self.title, "content.title")?, "content.title")?,
                url: optional_url(self.url, "content.url")?,
                text: optional_words(self.text, "content.text")?,
                image: optional_url(self.image, "content.image")?,
            }),
            "order" => Ok(Content::Order {
                number: needed(optional_name(self.number, "content.number")?, "content.number")?,
                title: optional_name(self.title, "content.title")?,
                amount: optional_name(self.amount, "content.amount")?,
                url: optional_url(self.url, "content.url")?,
            }),
            _ => Err(KINDS),
        }
    }
}

impl Content<'_> {
    /// The JSON object that is journaled and sent to every reader.
    pub fn to_json(&self) -> String {
        let mut json = Vec::with_capacity(128);
        self.encode(&mut json);
        String::from_utf8(json).expect("text and escapes are UTF-8")
    }

    /// Writes the same object behind what `out` has.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text { text } => Object::new("kind", "text", out).text("text", text),
            Self::Image { url, name } => {
                Object::new("kind", "image", out).text("url", url).optional_text("name", name.as_deref())
            }
            Self::File { url, name, bytes } => Object::new("kind", "file", out)
                .text("url", url)
                .text("name", name)
                .optional_number("bytes", *bytes),
            Self::Card { title, url, text, image } => Object::new("kind", "card", out)
                .text("title", title)
                .optional_text("url", url.as_deref())
                .optional_text("text", text.as_deref())
                .optional_text("image", image.as_deref()),
            Self::Order { number, title, amount, url } => Object::new("kind", "order", out)
                .text("number", number)
                .optional_text("title", title.as_deref())
                .optional_text("amount", amount.as_deref())
                .optional_text("url", url.as_deref()),
        }
        .end();
    }
}
