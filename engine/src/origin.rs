//! Which web pages may connect, by the origin that a browser says its page has (RFC 6454).
//!
//! A visitor's widget is part of other sites' pages, so any page may be a visitor unless the operator lists those that
//! may. An agent works in our own console: from another page, not even with a good token. A client that is no browser
//! says no origin and is not held to this: it could say what it likes.

use std::sync::Arc;

/// The pages that one kind of person may come from. This server's own are always among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pages {
    /// Any.
    Any,
    /// Only this server's own.
    Own,
    /// Of these origins, as browsers write them: `https://shop.example`.
    Listed(Arc<[String]>),
}

/// Who may come from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origins {
    /// Of visitors.
    pub visitors: Pages,
    /// Of agents.
    pub agents: Pages,
    /// This server's own origin, where it is known by another name than clients use in `Host`.
    pub own: Option<String>,
}

/// Who the person behind a connection may be, as far as the page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// A visitor.
    pub visitor: bool,
    /// An agent.
    pub agent: bool,
}

impl Roles {
    /// What is asked of no browser.
    pub const ANY: Self = Self { visitor: true, agent: true };

    /// Whether there is nobody left to be.
    pub fn is_nobody(self) -> bool {
        !self.visitor && !self.agent
    }
}

impl Default for Origins {
    fn default() -> Self {
        Self { visitors: Pages::Any, agents: Pages::Own, own: None }
    }
}

impl Origins {
    /// What the `Origin` fields of a request allow; `host` is its `Host`.
    pub fn roles<'a>(&self, mut origins: impl Iterator<Item = &'a [u8]>, host: Option<&[u8]>) -> Roles {
        match (origins.next(), origins.next()) {
            (None, _) => Roles::ANY,
            // Two origins are none that a browser says.
            (Some(_), Some(_)) => Roles { visitor: false, agent: false },
            (Some(origin), None) => {
                let is_own = self.is_own(origin, host);
                let may = |pages: &Pages| is_own || pages.have(origin);
                Roles { visitor: may(&self.visitors), agent: may(&self.agents) }
            }
        }
    }

    /// Whether the page came from this server. The scheme is left out of it: behind a proxy that ends TLS, the page
    /// was got by `https` and the request comes by `http`.
    fn is_own(&self, origin: &[u8], host: Option<&[u8]>) -> bool {
        let named =
            [b"https://".as_slice(), b"http://"].into_iter().find_map(|scheme| origin.strip_prefix(scheme));
        let is_host = named.zip(host).is_some_and(|(named, host)| named.eq_ignore_ascii_case(host));
        is_host || self.own.as_ref().is_some_and(|own| origin.eq_ignore_ascii_case(own.as_bytes()))
    }
}

impl Pages {
    fn have(&self, origin: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Own => false,
            Self::Listed(list) => list.iter().any(|listed| origin.eq_ignore_ascii_case(listed.as_bytes())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(origins: &[&str]) -> Pages {
        Pages::Listed(origins.iter().map(|origin| (*origin).to_owned()).collect())
    }

    #[test]
    fn a_page_is_judged_by_where_it_is_from() {
        let default = Origins::default();
        let strict = Origins {
            visitors: listed(&["https://shop.example"]),
            agents: listed(&["https://intranet.example"]),
            own: Some("https://desk.example".to_owned()),
        };
        let host = "desk.example:8080";
        let cases: &[(&Origins, &[&str], (bool, bool))] = &[
            (&default, &[], (true, true)),
            (&default, &["https://shop.example"], (true, false)),
            (&default, &["null"], (true, false)),
            (&default, &["http://desk.example:8080"], (true, true)),
            (&default, &["https://DESK.example:8080"], (true, true)),
            (&default, &["ftp://desk.example:8080"], (true, false)),
            (&default, &["https://desk.example:80800"], (true, false)),
            (&default, &["https://desk.example:8080", "https://desk.example:8080"], (false, false)),
            (&strict, &["https://shop.example"], (true, false)),
            (&strict, &["https://shop.example.evil"], (false, false)),
            (&strict, &["http://shop.example"], (false, false)),
            (&strict, &["https://intranet.example"], (false, true)),
            (&strict, &["https://desk.example"], (true, true)),
            (&strict, &["null"], (false, false)),
            (&strict, &[], (true, true)),
        ];
        for (origins, said, (visitor, agent)) in cases {
            let roles = origins.roles(said.iter().map(|origin| origin.as_bytes()), Some(host.as_bytes()));
            assert_eq!(roles, Roles { visitor: *visitor, agent: *agent }, "{said:?} with {origins:?}");
        }
    }
}
