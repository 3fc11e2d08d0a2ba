//! JSON objects read leniently, in one pass: a field of the wrong type is kept as such, so that the fault can
//! name it and the message's id survives it. What values may be is checked in `check`.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::message::RESUMED_CONVERSATIONS_MAX;

/// One field's value.
#[derive(Debug, Default)]
pub(super) enum Field<'a> {
    /// Not there, or null.
    #[default]
    Missing,
    Text(Cow<'a, str>),
    Unsigned(u64),
    /// Anything else.
    Other,
}

/// A field whose value is an object with fields of its own.
#[derive(Debug, Default)]
pub(super) enum Nested<T> {
    /// Not there, or null.
    #[default]
    Missing,
    Object(T),
    /// Anything else.
    Other,
}

/// An object whose names are data: conversations and the last `seq` of each.
#[derive(Debug, Default)]
pub(super) struct Numbers<'a> {
    pub(super) entries: Vec<(Cow<'a, str>, u64)>,
    /// More entries than are ever allowed; the rest were not kept.
    pub(super) too_many: bool,
    /// A value that is not a number.
    pub(super) bad: bool,
}

/// What can be read from the members of an object.
pub(super) trait Members<'a>: Sized {
    fn read<A: MapAccess<'a>>(map: A) -> Result<Self, A::Error>;
}

/// Declares an object: its members and their names on the wire. A name that comes twice is noted in
/// `repeated`; one that is not declared is ignored.
macro_rules! object {
    ($(#[$doc:meta])* $name:ident { $($member:ident: $type:ty = $wire:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(super) struct $name<'a> {
            $(pub(super) $member: $type,)+
            pub(super) repeated: Option<&'static str>,
        }

        impl<'a> $crate::json::object::Members<'a> for $name<'a> {
            fn read<A: serde::de::MapAccess<'a>>(mut map: A) -> Result<Self, A::Error> {
                let mut object = Self::default();
                $(let mut $member = false;)+
                while let Some(name) = map.next_key::<$crate::json::object::Name<'a>>()? {
                    match name.0.as_ref() {
                        $($wire => {
                            if std::mem::replace(&mut $member, true) {
                                object.repeated = Some($wire);
                            }
                            object.$member = map.next_value()?;
                        })+
                        _ => drop(map.next_value::<serde::de::IgnoredAny>()?),
                    }
                }
                Ok(object)
            }
        }
    };
}
pub(super) use object;

/// Reads all of `text` as one object.
pub(super) fn read<'a, T: Members<'a>>(text: &'a str) -> Result<Nested<T>, serde_json::Error> {
    serde_json::from_str(text)
}

/// A member's name, borrowed where it has no escapes.
pub(super) struct Name<'a>(pub(super) Cow<'a, str>);

impl<'a> Deserialize<'a> for Name<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'a> Visitor<'a> for NameVisitor {
            type Value = Name<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member's name")
            }
            fn visit_borrowed_str<E: Error>(self, name: &'a str) -> Result<Name<'a>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<Name<'a>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

impl<'a> Members<'a> for Numbers<'a> {
    fn read<A: MapAccess<'a>>(mut map: A) -> Result<Self, A::Error> {
        let mut numbers = Self::default();
        while let Some((name, value)) = map.next_entry::<Name<'a>, Field<'a>>()? {
            match value {
                _ if numbers.entries.len() == RESUMED_CONVERSATIONS_MAX => numbers.too_many = true,
                Field::Unsigned(number) => numbers.entries.push((name.0, number)),
                Field::Missing | Field::Text(_) | Field::Other => numbers.bad = true,
            }
        }
        Ok(numbers)
    }
}

impl<'a> Deserialize<'a> for Field<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor::<Self>(PhantomData))
    }
}

impl<'a, T: Members<'a>> Deserialize<'a> for Nested<T> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor::<Self>(PhantomData))
    }
}

/// What each kind of JSON value becomes. Whatever is not overridden is of the wrong type.
trait FromAny<'a>: Sized {
    const MISSING: Self;
    const OTHER: Self;
    fn from_text(_text: Cow<'a, str>) -> Self {
        Self::OTHER
    }
    fn from_unsigned(_number: u64) -> Self {
        Self::OTHER
    }
    fn from_map<A: MapAccess<'a>>(mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::OTHER)
    }
}

impl<'a> FromAny<'a> for Field<'a> {
    const MISSING: Self = Self::Missing;
    const OTHER: Self = Self::Other;
    fn from_text(text: Cow<'a, str>) -> Self {
        Self::Text(text)
    }
    fn from_unsigned(number: u64) -> Self {
        Self::Unsigned(number)
    }
}

impl<'a, T: Members<'a>> FromAny<'a> for Nested<T> {
    const MISSING: Self = Self::Missing;
    const OTHER: Self = Self::Other;
    fn from_map<A: MapAccess<'a>>(map: A) -> Result<Self, A::Error> {
        T::read(map).map(Self::Object)
    }
}

struct AnyVisitor<T>(PhantomData<T>);

impl<'a, T: FromAny<'a>> Visitor<'a> for AnyVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::MISSING)
    }
    fn visit_borrowed_str<E: Error>(self, text: &'a str) -> Result<T, E> {
        Ok(T::from_text(Cow::Borrowed(text)))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Ok(T::from_text(Cow::Owned(text.to_owned())))
    }
    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        Ok(T::from_unsigned(number))
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<T, E> {
        Ok(T::OTHER)
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<T, E> {
        Ok(T::OTHER)
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<T, E> {
        Ok(T::OTHER)
    }
    fn visit_map<A: MapAccess<'a>>(self, map: A) -> Result<T, A::Error> {
        T::from_map(map)
    }
    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<T, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(T::OTHER)
    }
}
