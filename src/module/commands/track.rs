//! Telling of accesses: `WARM.TRACK`.

use super::spec::{Access, Argument, ArgumentKind, Keys, Spec};
use super::{Command, Verdict};
use crate::module::api::Context;
use crate::module::args::{Args, Parsed, argument};
use crate::module::reply::Reply;
use crate::module::state;
use crate::module::watch::ring::LONGEST_USER;

/// The most accesses that one command may tell of.
const MOST: u64 = 1_000_000;

/// `WARM.TRACK key [USER u] [REGION r] [COUNT n]`.
pub struct Track;

/// The parsed arguments of [`Track`].
#[derive(Debug, PartialEq, Eq)]
pub struct TrackRequest<'a> {
    key: &'a [u8],
    user: Option<&'a [u8]>,
    region: Option<&'a str>,
    count: u32,
}

impl Command for Track {
    const SPEC: Spec = Spec {
        name: "WARM.TRACK",
        summary: "Tells of accesses that the server did not see",
        complexity: "O(1)",
        since: "0.1.0",
        flags: "readonly fast",
        categories: "",
        arity: -2,
        keys: Keys::First(Access::Look),
        arguments: &[
            Argument::new("key", ArgumentKind::Key),
            Argument::option("user", "USER", ArgumentKind::String),
            Argument::option("region", "REGION", ArgumentKind::String),
            Argument::option("count", "COUNT", ArgumentKind::Integer),
        ],
        reply: "OK.",
        notes: "For hits of a client-side cache or a CDN, or to add who and where to accesses. Reads by commands are seen \
                by themselves: telling of them counts them twice. `USER` is at most 256 bytes; `COUNT` is 1 to 1,000,000, \
                by default 1. The key need not exist, nor match a loader. While more is told than can be taken in, the \
                rest is dropped and counted (`watch_dropped`); on a replica and while the server loads its data it \
                answers OK and has no effect.",
    };
    type Request<'a> = TrackRequest<'a>;

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<TrackRequest<'a>> {
        let mut request = TrackRequest { key: args.key()?, user: None, region: None, count: 1 };
        loop {
            if args.option("USER") {
                request.user = Some(user(args)?);
            } else if args.option("REGION") {
                request.region = Some(args.name("REGION")?);
            } else if args.option("COUNT") {
                request.count = u32::try_from(args.number("COUNT", 1..=MOST)?).unwrap_or(u32::MAX);
            } else {
                args.end("USER, REGION, COUNT")?;
                return Ok(request);
            }
        }
    }

    fn run(ctx: &Context<'_>, request: TrackRequest<'_>) -> Verdict {
        let TrackRequest { key, user, region, count } = request;
        let db = ctx.db();
        state::with(|state| {
            state.watch.told(db, key, count, user, region.map(str::as_bytes));
            state.wake_for_the_ring();
        });
        Reply::Ok.into()
    }
}

fn user<'a>(args: &mut Args<'a>) -> Parsed<&'a [u8]> {
    let user = args.next("USER")?;
    if user.is_empty() || user.len() > LONGEST_USER {
        return Err(argument(format!("USER has {} bytes, 1 to {LONGEST_USER} are allowed", user.len())));
    }
    Ok(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed<'a>(words: &'a [&'a [u8]]) -> Result<TrackRequest<'a>, String> {
        Track::parse(&mut Args::new(words)).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn options_come_in_any_order_and_case() {
        let request = parsed(&[b"a", b"count", b"3", b"REGION", b"eu-1", b"user", b"\xff"]).unwrap();
        assert_eq!(request, TrackRequest { key: b"a", user: Some(b"\xff"), region: Some("eu-1"), count: 3 });
        assert_eq!(parsed(&[b"a"]).unwrap().count, 1);
    }

    #[test]
    fn everything_is_bounded() {
        assert_eq!(
            parsed(&[b"a", b"COUNT", b"0"]).unwrap_err(),
            "ERR COUNT '0' must be a whole number from 1 to 1000000"
        );
        assert_eq!(parsed(&[b"a", b"USER", &[b'u'; 257]]).unwrap_err(), "ERR USER has 257 bytes, 1 to 256 are allowed");
        assert!(parsed(&[b"a", b"REGION", &[b'r'; 65]]).unwrap_err().starts_with("ERR REGION"));
        assert!(parsed(&[b"a", b"REGION", b"a b"]).unwrap_err().starts_with("ERR REGION"));
        assert!(parsed(&[b"a", b"FAST"]).unwrap_err().contains("allowed: USER, REGION, COUNT"));
        assert!(parsed(&[]).is_err() && parsed(&[&[b'k'; 8193]]).is_err() && parsed(&[b"a", b"USER"]).is_err());
    }
}
