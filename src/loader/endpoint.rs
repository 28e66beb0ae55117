//! An origin's address: where to connect, what to send besides the path, and the path's template.
//!
//! The host is fixed when the loader is defined: no key can choose it. A user and password in the URL become an
//! `Authorization` header; they are masked wherever the URL is shown.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HOST, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Uri};

use super::settings::Secret;
use super::template::{Template, TemplateError, Variable};

/// The longest URL, in bytes without scheme and host. A key that makes a longer one fails.
pub const MAX_URL: usize = 32 << 10;

/// The longest URL template, in bytes.
pub const MAX_TEMPLATE: usize = 8 << 10;

/// One URL template of a loader, taken apart.
pub struct Endpoint {
    scheme: Scheme,
    authority: Authority,
    path: Template,
    headers: HeaderMap,
    shown: Shown,
}

/// The masked form of the whole URL.
enum Shown {
    Template(Template),
    /// Masking hid a brace: shown without its variables.
    Text(String),
}

impl Endpoint {
    /// Takes `url` apart; its variables may be those of `allowed`, `headers` are sent with each request.
    ///
    /// # Errors
    /// What is wrong with the URL, without its secret parts.
    pub fn new(url: &Secret, allowed: &[&str], headers: &HeaderMap) -> Result<Self, EndpointError> {
        let text = url.reveal();
        if text.len() > MAX_TEMPLATE {
            return Err(EndpointError::TooLong { bytes: text.len() });
        }
        let (scheme, rest) = text.split_once("://").ok_or(EndpointError::NoScheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::HTTP,
            "https" => Scheme::HTTPS,
            other => return Err(EndpointError::Scheme { given: known(other, url) }),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#', '{']).unwrap_or(rest.len()));
        if path.starts_with('{') && !path.starts_with("{/") && !path.starts_with("{?") {
            return Err(EndpointError::VariableHost);
        }
        let (login, host) = match authority.rsplit_once('@') {
            Some((login, host)) => (Some(login), host),
            None => (None, authority),
        };
        let authority: Authority = host.parse().map_err(|_| EndpointError::Host)?;
        if authority.host().is_empty()
            || (authority.as_str().len() > authority.host().len() && authority.port_u16().is_none())
        {
            return Err(EndpointError::Host);
        }
        let slash = if path.starts_with('/') || path.starts_with("{/") { "" } else { "/" };
        let path = Template::parse(&format!("{slash}{path}"), allowed).map_err(|error| hide(error, url))?;
        let headers = complete(headers, &authority, login)?;
        let shown = mask_password(url.shown());
        let shown = Template::parse(&shown, allowed).map_or(Shown::Text(shown), Shown::Template);
        Ok(Endpoint { scheme, authority, path, headers, shown })
    }

    /// The address for `values`; `None` if it is longer than [`MAX_URL`].
    pub fn uri(&self, values: &[Variable<'_>]) -> Option<Uri> {
        let path = self.path.expand(values, MAX_URL).ok()?;
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(PathAndQuery::from_maybe_shared(Bytes::from(path)).ok()?);
        Uri::from_parts(parts).ok()
    }

    /// The address for `values` as people may see it.
    pub fn shown(&self, values: &[Variable<'_>]) -> String {
        match &self.shown {
            Shown::Text(text) => text.clone(),
            Shown::Template(template) => match template.expand(values, MAX_URL + MAX_TEMPLATE) {
                Ok(text) => String::from_utf8_lossy(&text).into_owned(),
                Err(_) => "(too long)".to_owned(),
            },
        }
    }

    /// What to send with each request, `Host` and `Authorization` included.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Whether the path's template uses the variable at `variable`.
    pub fn uses(&self, variable: usize) -> bool {
        self.path.uses(variable)
    }
}

/// `url` with its password (and a user without one, which is a token) replaced by `***`.
pub fn mask_password(url: &str) -> String {
    let Some(start) = url.find("://").map(|at| at + 3) else { return url.to_owned() };
    let end = url[start..].find(['/', '?', '#', '{']).map_or(url.len(), |at| start + at);
    let Some(at) = url[start..end].rfind('@').map(|at| start + at) else { return url.to_owned() };
    let user = url[start..at].find(':').map_or("", |colon| &url[start..=start + colon]);
    format!("{}{user}***{}", &url[..start], &url[at..])
}

/// What is wrong with a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Longer than [`MAX_TEMPLATE`].
    #[error("{bytes} bytes are too many, {MAX_TEMPLATE} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// No `://`.
    #[error("no scheme; write http://host/path or https://host/path")]
    NoScheme,
    /// A scheme that is not supported.
    #[error("scheme `{given}` is not supported; supported are http and https")]
    Scheme {
        /// What was given.
        given: String,
    },
    /// A variable before the path.
    #[error("the host may not depend on the key; variables may stand in the path and the query only")]
    VariableHost,
    /// No host, or none that can be one.
    #[error("not a host name with an optional port")]
    Host,
    /// The path is not a template.
    #[error(transparent)]
    Template(#[from] TemplateError),
}

/// `text` if it can be seen in the URL's shown form too.
fn known(text: &str, url: &Secret) -> String {
    if url.shown().to_ascii_lowercase().contains(&text.to_ascii_lowercase()) {
        text.to_owned()
    } else {
        "***".to_owned()
    }
}

fn hide(error: TemplateError, url: &Secret) -> EndpointError {
    EndpointError::Template(match error {
        TemplateError::Unknown { name, allowed } => TemplateError::Unknown { name: known(&name, url), allowed },
        other => other,
    })
}

fn complete(headers: &HeaderMap, authority: &Authority, login: Option<&str>) -> Result<HeaderMap, EndpointError> {
    let mut all = headers.clone();
    all.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("gzip, br, zstd"));
    all.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    all.entry(USER_AGENT).or_insert(HeaderValue::from_static(concat!("redis-warm/", env!("CARGO_PKG_VERSION"))));
    if !all.contains_key(HOST) {
        all.insert(HOST, HeaderValue::from_str(authority.as_str()).map_err(|_| EndpointError::Host)?);
    }
    if let Some(login) = login {
        let plain = decoded(login);
        let plain = if plain.contains(&b':') { plain } else { [&plain[..], b":"].concat() };
        let text = format!("Basic {}", BASE64_STANDARD.encode(plain));
        let mut value = HeaderValue::from_str(&text).map_err(|_| EndpointError::Host)?;
        value.set_sensitive(true);
        all.entry(AUTHORIZATION).or_insert(value);
    }
    Ok(all)
}

fn decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        let pair = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.filter(|_| *byte == b'%').and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(value) => {
                out.push(value);
                rest = &after[2..];
            }
            None => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> Result<Endpoint, EndpointError> {
        Endpoint::new(&Secret::plain(url), &["id", "key"], &HeaderMap::new())
    }

    fn uri(url: &str, id: &[u8]) -> String {
        endpoint(url).unwrap().uri(&[Variable::One(id), Variable::One(b"k")]).unwrap().to_string()
    }

    #[test]
    fn the_key_fills_path_and_query_only() {
        assert_eq!(uri("http://h/a/{id}", b"x/../y?z#w\n"), "http://h/a/x%2F..%2Fy%3Fz%23w%0A");
        assert_eq!(uri("http://h:81{/id}{?key}", b"7"), "http://h:81/7?key=k");
        assert_eq!(uri("HTTPS://h?q={id}", b"7"), "https://h/?q=7");
        assert_eq!(uri("http://h", b"7"), "http://h/");
        assert_eq!(uri("http://[::1]:8080/{id}", b"7"), "http://[::1]:8080/7");
        for url in ["http://{id}/", "http://h{id}", "http://h{+id}", "http://h.{id}/x"] {
            assert_eq!(endpoint(url).err(), Some(EndpointError::VariableHost), "{url}");
        }
    }

    #[test]
    fn what_cannot_be_an_address_is_refused() {
        assert_eq!(endpoint("h/a").err(), Some(EndpointError::NoScheme));
        let error = endpoint("ftp://h/a").err().unwrap();
        assert_eq!(error.to_string(), "scheme `ftp` is not supported; supported are http and https");
        for url in ["http:///a", "http://h h/", "http://h:99999/", "http://h:x/", "http://@/", "http://h:/"] {
            assert_eq!(endpoint(url).err(), Some(EndpointError::Host), "{url}");
        }
        assert!(matches!(endpoint(&format!("http://h/{}", "x".repeat(9000))), Err(EndpointError::TooLong { .. })));
    }

    #[test]
    fn a_login_becomes_a_header_and_is_masked() {
        let endpoint = endpoint("http://user:p%40ss@h/{id}").unwrap();
        assert_eq!(endpoint.headers()[AUTHORIZATION], "Basic dXNlcjpwQHNz");
        assert_eq!(endpoint.headers()[HOST], "h");
        assert_eq!(endpoint.shown(&[Variable::One(b"7")]), "http://user:***@h/7");
        assert_eq!(endpoint.uri(&[Variable::One(b"7")]).unwrap().to_string(), "http://h/7");
        assert_eq!(mask_password("https://token@h"), "https://***@h");
        assert_eq!(mask_password("https://u:p@q@h/@x"), "https://u:***@h/@x");
        assert_eq!(mask_password("https://h/@x"), "https://h/@x");
    }

    #[test]
    fn parts_from_the_environment_stay_hidden() {
        let url = Secret::masked("http://h/{s3cret}".into(), "http://h/***".into());
        let error = Endpoint::new(&url, &["id"], &HeaderMap::new()).err().unwrap();
        assert_eq!(error.to_string(), "unknown variable `***`; known are {id}");
        let url = Secret::masked("http://h/s3cret/{id}".into(), "http://h/***/{id}".into());
        let endpoint = Endpoint::new(&url, &["id"], &HeaderMap::new()).unwrap();
        assert_eq!(endpoint.shown(&[Variable::One(b"7")]), "http://h/***/7");
    }

    #[test]
    fn a_long_key_makes_no_address() {
        assert!(endpoint("http://h/{id}").unwrap().uri(&[Variable::One(&[b'x'; MAX_URL])]).is_none());
    }
}
