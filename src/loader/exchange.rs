//! One try: a request, the redirects within the origin's host, and the body under its limits.
//!
//! The try's time covers connect to last byte of each request and stands still while a redirect waits for its turn. The
//! answers to expect are 200 and 203 (a value), 404 and 410 (no such key), 304 if it was asked for; all else is a
//! failure that says whether it is worth asking again.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, LOCATION, RETRY_AFTER};
use http::uri::{Parts, Scheme};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};

use super::budget::{Budget, BudgetError, shrink};
use super::client::{Client, cut_short, unanswered};
use super::decode::{DecodeError, Decoder};
use super::fetch::{Failure, FailureKind};
use super::gauges::Gauges;
use super::pace::Pace;
use super::retry::retry_after;
use super::validators::Validator;

/// What a try needs.
#[derive(Clone, Copy)]
pub(super) struct Exchange<'a> {
    /// The connections.
    pub(super) client: &'a Client,
    /// The bytes that may be in memory.
    pub(super) budget: &'a Budget,
    /// The loader's rate.
    pub(super) pace: &'a Pace,
    /// The loader's figures.
    pub(super) gauges: &'a Gauges,
    /// Sent with each request.
    pub(super) headers: &'a HeaderMap,
    /// Makes the request conditional.
    pub(super) validator: Option<&'a Validator>,
    /// The largest body, in bytes, on the wire and decoded.
    pub(super) limit: usize,
    /// How long the requests of the try may take.
    pub(super) timeout: Duration,
}

/// An answer that means something.
#[derive(Debug)]
pub(super) struct Reply {
    /// 200, 203, 304, 404 or 410.
    pub(super) status: StatusCode,
    /// Its headers.
    pub(super) headers: HeaderMap,
    /// The decoded body; empty unless the status is 200 or 203.
    pub(super) body: Bytes,
    /// The body's share of the budget.
    pub(super) share: Option<OwnedSemaphorePermit>,
}

/// A try that gave nothing.
#[derive(Debug)]
pub(super) struct Trouble {
    /// What happened.
    pub(super) failure: Failure,
    /// Whether to ask again.
    pub(super) again: Again,
    /// The answer's status, if there was an answer.
    pub(super) status: Option<StatusCode>,
}

/// Whether another try makes sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Again {
    /// It would end the same way.
    Never,
    /// After a backoff.
    Backoff,
    /// After this time, said the origin.
    After(Duration),
}

/// Redirects that are followed in one try.
pub(super) const MAX_REDIRECTS: u32 = 5;

/// Of the body of an answer that is not wanted this much is read, to keep the connection.
const DRAIN_BYTES: usize = 16 << 10;

/// For so long.
const DRAIN_TIME: Duration = Duration::from_millis(100);

/// The share that a body of unknown length begins with, in bytes.
const FIRST_SHARE: usize = 64 << 10;

enum Step {
    Done(Reply),
    Redirect(Uri),
}

impl Exchange<'_> {
    /// Asks for `uri`. The first request's turn has been taken. Adds the requests it sends to `requests`.
    ///
    /// # Errors
    /// [`Trouble`], which the gauges have counted.
    pub(super) async fn run(&self, mut uri: Uri, requests: &mut u32) -> Result<Reply, Trouble> {
        let mut left = self.timeout;
        for redirects in 0..=MAX_REDIRECTS {
            if redirects > 0 {
                self.pace.turn().await;
            }
            *requests += 1;
            self.gauges.requests.add(1);
            let sent = Instant::now();
            let deadline = sent + left;
            let step = timeout_at(deadline, self.send(uri, deadline)).await;
            let took = sent.elapsed();
            self.gauges.latency.record(took);
            left = left.saturating_sub(took);
            let step = step.unwrap_or_else(|_| Err(self.too_late()));
            match step.inspect_err(|_| self.gauges.failures.add(1))? {
                Step::Done(reply) => return Ok(reply),
                Step::Redirect(target) => uri = target,
            }
        }
        self.gauges.failures.add(1);
        Err(Trouble::redirect(format!("more than {MAX_REDIRECTS} redirects")))
    }

    async fn send(&self, uri: Uri, deadline: Instant) -> Result<Step, Trouble> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = self.headers.clone();
        if let Some(validator) = self.validator {
            validator.ask(request.headers_mut());
        }
        let answer =
            self.client.request(request).await.map_err(|error| Trouble::new(unanswered(&error), Again::Backoff))?;
        let status = answer.status();
        self.receive(&uri, answer, deadline).await.map_err(|trouble| Trouble { status: Some(status), ..trouble })
    }

    async fn receive(&self, from: &Uri, answer: Response<Incoming>, deadline: Instant) -> Result<Step, Trouble> {
        let (head, body) = answer.into_parts();
        match head.status.as_u16() {
            200 | 203 => {
                let (body, share) = self.collect(&head.headers, body, deadline).await?;
                return Ok(Step::Done(Reply { status: head.status, headers: head.headers, body, share: Some(share) }));
            }
            _ => drain(body).await,
        }
        match head.status.as_u16() {
            304 if self.validator.is_some() => {}
            404 | 410 => {}
            301 | 302 | 303 | 307 | 308 => {
                let target = head.headers.get(LOCATION).map(|value| target(from, value.as_bytes()));
                return target
                    .unwrap_or_else(|| Err(Trouble::redirect("a redirect to nowhere".to_owned())))
                    .map(Step::Redirect);
            }
            304 => return Err(Trouble::status("answered 304 without having been asked".to_owned(), Again::Never)),
            code => {
                let after = head.headers.get(RETRY_AFTER).and_then(|v| retry_after(v.as_bytes(), SystemTime::now()));
                let again = match (code, after) {
                    (429 | 503, Some(after)) => Again::After(after),
                    (408 | 425 | 429 | 500.., _) => Again::Backoff,
                    _ => Again::Never,
                };
                return Err(Trouble::status(format!("answered {code}"), again));
            }
        }
        Ok(Step::Done(Reply { status: head.status, headers: head.headers, body: Bytes::new(), share: None }))
    }

    /// Reads the body under all its limits. The bytes are copied out of the connection's buffers, which would live as
    /// long as the smallest value in them.
    async fn collect(
        &self,
        headers: &HeaderMap,
        mut body: Incoming,
        deadline: Instant,
    ) -> Result<(Bytes, OwnedSemaphorePermit), Trouble> {
        let length = match body.size_hint().exact() {
            Some(length) => Some(length),
            None => headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok()),
        };
        let length = length.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        if length.is_some_and(|length| length > self.limit) {
            return Err(self.too_large());
        }
        let expected = length.unwrap_or(FIRST_SHARE.min(self.limit));
        let unknown = |_| Trouble::body("the answer has a Content-Encoding that was not asked for", Again::Never);
        let mut decoder = Decoder::new(headers, self.limit, length.unwrap_or_default()).map_err(unknown)?;
        let memory = |error| no_memory(error);
        let mut share = self.budget.reserve(expected, deadline).await.map_err(memory)?;
        let mut wire = 0_usize;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Trouble::new(cut_short(&error), Again::Backoff))?;
            let Ok(bytes) = frame.into_data() else { continue };
            self.gauges.bytes.add(bytes.len() as u64);
            wire = wire.saturating_add(bytes.len());
            if wire > self.limit {
                return Err(self.too_large());
            }
            if decoder.is_identity() {
                self.hold(&mut share, decoder.len() + bytes.len(), deadline).await?;
            }
            decoder.push(&bytes).map_err(|error| self.undecodable(error))?;
            self.hold(&mut share, decoder.len(), deadline).await?;
        }
        let mut plain =
            if wire == 0 { Vec::new() } else { decoder.finish().map_err(|error| self.undecodable(error))? };
        self.hold(&mut share, plain.len(), deadline).await?;
        shrink(&mut share, plain.len());
        plain.shrink_to_fit();
        Ok((Bytes::from(plain), share))
    }

    /// Sees to it that `share` covers `bytes`; grows in doubling steps, so that it seldom has to.
    async fn hold(&self, share: &mut OwnedSemaphorePermit, bytes: usize, deadline: Instant) -> Result<(), Trouble> {
        if bytes <= share.num_permits() {
            return Ok(());
        }
        let doubled =
            share.num_permits().saturating_mul(2).min(self.limit).min(self.budget.total() as usize).max(bytes);
        self.budget.grow(share, doubled, deadline).await.map_err(no_memory)
    }

    fn too_late(&self) -> Trouble {
        let message = format!("no whole answer within {} ms", self.timeout.as_millis());
        Trouble::new(Failure { kind: FailureKind::Timeout, message }, Again::Backoff)
    }

    fn too_large(&self) -> Trouble {
        let message = format!("the body is larger than {} bytes", self.limit);
        Trouble::new(Failure { kind: FailureKind::TooLarge, message }, Again::Never)
    }

    fn undecodable(&self, error: DecodeError) -> Trouble {
        match error {
            DecodeError::TooLarge => self.too_large(),
            DecodeError::Damaged => {
                Trouble::body("the body is not in its Content-Encoding, or is cut short", Again::Never)
            }
        }
    }
}

impl Trouble {
    fn new(failure: Failure, again: Again) -> Self {
        Trouble { failure, again, status: None }
    }

    fn status(message: String, again: Again) -> Self {
        Trouble::new(Failure { kind: FailureKind::Status, message }, again)
    }

    fn body(message: &str, again: Again) -> Self {
        Trouble::new(Failure { kind: FailureKind::Body, message: message.to_owned() }, again)
    }

    fn redirect(message: String) -> Self {
        Trouble::new(Failure { kind: FailureKind::Redirect, message }, Again::Never)
    }
}

fn no_memory(error: BudgetError) -> Trouble {
    let (message, again) = match error {
        BudgetError::Never { total } => {
            (format!("the body is larger than the {total} bytes that all loaders may hold"), Again::Never)
        }
        BudgetError::Exhausted => ("too many bytes are waiting to be written".to_owned(), Again::Backoff),
    };
    Trouble::new(Failure { kind: FailureKind::Memory, message }, again)
}

/// Reads a short body to its end, so that its connection can be used again; a longer one closes it.
async fn drain(mut body: Incoming) {
    let read = async {
        let mut left = DRAIN_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            if length > left {
                return;
            }
            left -= length;
        }
    };
    // Out of time is as good as too long.
    let _ = timeout(DRAIN_TIME, read).await;
}

/// Where `location` leads from `from`, if that is the same host.
fn target(from: &Uri, location: &[u8]) -> Result<Uri, Trouble> {
    let unreadable = || Trouble::redirect("a redirect to what is not an http address".to_owned());
    let location = std::str::from_utf8(location).map_err(|_| unreadable())?.trim();
    let scheme = from.scheme_str().unwrap_or_default();
    let absolute =
        location.split_once("://").is_some_and(|(scheme, _)| scheme.bytes().all(|b| b.is_ascii_alphanumeric()));
    let to: Uri = if absolute {
        location.parse().map_err(|_| unreadable())?
    } else if location.starts_with("//") {
        format!("{scheme}:{location}").parse().map_err(|_| unreadable())?
    } else {
        let path = match location.as_bytes().first() {
            Some(b'/') => location.to_owned(),
            Some(b'?') => format!("{}{location}", from.path()),
            _ => format!("{}/{location}", from.path().rsplit_once('/').map_or("", |(folder, _)| folder)),
        };
        let mut parts: Parts = from.clone().into_parts();
        parts.path_and_query = Some(path.parse().map_err(|_| unreadable())?);
        Uri::from_parts(parts).map_err(|_| unreadable())?
    };
    let same_host = match (from.host(), to.host()) {
        (Some(from), Some(to)) => from.eq_ignore_ascii_case(to),
        _ => false,
    };
    let plain = to.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    let same_port = port(from) == port(&to) && from.scheme() == to.scheme();
    let upgrade = port(from) == Some(80) && port(&to) == Some(443) && to.scheme() == Some(&Scheme::HTTPS);
    if same_host && plain && (same_port || upgrade) {
        Ok(to)
    } else {
        Err(Trouble::redirect("a redirect to another host, port or scheme".to_owned()))
    }
}

fn port(uri: &Uri) -> Option<u16> {
    let usual = || match uri.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    };
    uri.port_u16().or_else(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(from: &str, location: &str) -> Option<String> {
        target(&from.parse().unwrap(), location.as_bytes()).ok().map(|uri| uri.to_string())
    }

    #[test]
    fn redirects_stay_with_the_origin() {
        let from = "http://h:81/a/b?c";
        for (location, to) in [
            ("/x", "http://h:81/x"),
            ("x?y", "http://h:81/a/x?y"),
            ("?z", "http://h:81/a/b?z"),
            ("http://H:81/q", "http://H:81/q"),
            ("//h:81/q", "http://h:81/q"),
            ("/r?to=http://other/", "http://h:81/r?to=http://other/"),
        ] {
            assert_eq!(follow(from, location).as_deref(), Some(to), "{location}");
        }
        for location in [
            "http://other:81/",
            "http://h/",
            "http://h:82/",
            "https://h:81/",
            "//other/",
            "ftp://h:81/",
            "http://u@h:81/",
            "\u{7f}",
            "",
        ] {
            let followed = follow(from, location);
            assert!(followed.as_deref().is_none_or(|to| to == "http://h:81/a/"), "{location} {followed:?}");
        }
    }

    #[test]
    fn a_redirect_may_turn_to_https_but_not_back() {
        assert_eq!(follow("http://h/a", "https://h/a").as_deref(), Some("https://h/a"));
        assert_eq!(follow("https://h/a", "http://h/a"), None);
        assert_eq!(follow("https://h/a", "https://h:443/b").as_deref(), Some("https://h:443/b"));
    }
}
