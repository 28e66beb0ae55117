//! Reading through: `WARM.GET` and `WARM.MGET`.

use std::time::Duration;

use bytes::Bytes;

use super::spec::{Access, Argument, ArgumentKind, Keys, Spec};
use super::{Command, Verdict};
use crate::engine::key::{Db, Key};
use crate::engine::request::{Plan, Priority, Request};
use crate::loader::compress;
use crate::loader::settings::Compression;
use crate::module::api::Context;
use crate::module::api::blocked::BlockedClient;
use crate::module::api::context::{Held, Look as Opening, Standing};
use crate::module::args::{Args, Parsed};
use crate::module::demand::Look;
use crate::module::engine_thread::Message;
use crate::module::reply::{Refusal, Reply};
use crate::module::state;
use crate::module::waiter::{Gathering, News, Waiter};

/// The longest wait that may be asked for.
pub const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

const TIMEOUT: Argument = Argument::option("timeout", "TIMEOUT", ArgumentKind::String);

/// `WARM.GET key [TIMEOUT d]`.
pub struct Get;

/// The parsed arguments of [`Get`].
#[derive(Debug, PartialEq, Eq)]
pub struct GetRequest<'a> {
    key: &'a [u8],
    timeout: Option<Duration>,
}

impl Command for Get {
    const SPEC: Spec = Spec {
        name: "WARM.GET",
        summary: "Returns the string value of a key, loading it from its origin if it is missing",
        complexity: "O(1) on a hit; on a miss one origin request, shared by all clients that ask for the key",
        since: "0.1.0",
        flags: "readonly fast",
        categories: "read",
        arity: -2,
        keys: Keys::First(Access::Read),
        arguments: &[Argument::new("key", ArgumentKind::Key), TIMEOUT],
        reply: "Bulk string: the value. Null: the origin says that the key does not exist (remembered for the loader's \
                `NEGATIVE` time). Errors: `NOLOADER`, `LOADFAIL`, `TIMEOUT`, `PAUSED`, `QUEUEFULL`, `WRONGTYPE`, \
                `READONLY` (a miss on a replica).",
        notes: "A miss blocks this client only. Inside MULTI, a script or wherever blocking is not allowed, a miss answers \
                null and the load is queued. Without `TIMEOUT` the client waits until the load ends, which the loader's \
                own `TIMEOUT` and `RETRIES` bound.",
    };
    type Request<'a> = GetRequest<'a>;

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<GetRequest<'a>> {
        let key = args.next("key")?;
        Ok(GetRequest { key, timeout: timeout(args)? })
    }

    fn run(ctx: &Context<'_>, request: GetRequest<'_>) -> Verdict {
        match read(ctx, request.key) {
            Ok(Hit::Sent) => return Verdict::Settled,
            Ok(Hit::Plain(bytes)) => return Reply::Bulk(bytes).into(),
            Err(Held::Nothing) => {}
            Err(_) => {
                state::with(|state| state.counters.read_errors += 1);
                return Reply::from(Refusal::WrongType).into();
            }
        }
        let key = match missed(ctx, request.key) {
            Miss::Told(news) => return news.into_reply().into(),
            Miss::Fetch(key) => key,
        };
        let Some(client) = BlockedClient::block(ctx) else { return Reply::Null.into() };
        state::with(|state| state.wait_for(vec![(key, Waiter::Get(client))], request.timeout));
        Verdict::Settled
    }
}

/// `WARM.MGET key [key ...] [TIMEOUT d]`.
pub struct MGet;

/// The parsed arguments of [`MGet`].
#[derive(Debug, PartialEq, Eq)]
pub struct MGetRequest<'a> {
    keys: Vec<&'a [u8]>,
    timeout: Option<Duration>,
}

impl Command for MGet {
    const SPEC: Spec = Spec {
        name: "WARM.MGET",
        summary: "Returns the string values of keys, loading those that are missing",
        complexity: "O(N) for N keys; misses of one loader share batch requests",
        since: "0.1.0",
        flags: "readonly fast",
        categories: "read",
        arity: -2,
        keys: Keys::AllUntil(Access::Read, "TIMEOUT"),
        arguments: &[Argument::new("key", ArgumentKind::Key).repeated(), TIMEOUT],
        reply: "Array, in the order of the keys: the value, or null for a key that does not exist, could not be loaded in \
                time or at all, or holds another type.",
        notes: "From the second argument on, the word `TIMEOUT` ends the keys.",
    };
    type Request<'a> = MGetRequest<'a>;

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<MGetRequest<'a>> {
        let mut keys = vec![args.next("key")?];
        while let Some(word) = args.peek().filter(|word| !word.eq_ignore_ascii_case(b"TIMEOUT")) {
            keys.push(word);
            args.next("key")?;
        }
        Ok(MGetRequest { keys, timeout: timeout(args)? })
    }

    fn run(ctx: &Context<'_>, request: MGetRequest<'_>) -> Verdict {
        let mut elements = Vec::with_capacity(request.keys.len());
        let mut missing = Vec::new();
        for (index, name) in request.keys.into_iter().enumerate() {
            let element = match read_copy(ctx, name) {
                Ok(bytes) => Reply::Bulk(bytes),
                Err(Held::Nothing) => match missed(ctx, name) {
                    Miss::Told(news) => news.into_element(),
                    Miss::Fetch(key) => {
                        missing.push((key, index));
                        Reply::Null
                    }
                },
                Err(_) => {
                    state::with(|state| state.counters.read_errors += 1);
                    Reply::Null
                }
            };
            elements.push(element);
        }
        if missing.is_empty() {
            return Reply::Array(elements).into();
        }
        let Some(client) = BlockedClient::block(ctx) else { return Reply::Array(elements).into() };
        let gathering = Gathering::new(client, elements, missing.len());
        let wanted = missing.into_iter().map(|(key, index)| (key, Waiter::Part(gathering.clone(), index)));
        state::with(|state| state.wait_for(wanted.collect(), request.timeout));
        Verdict::Settled
    }
}

fn timeout(args: &mut Args<'_>) -> Parsed<Option<Duration>> {
    let timeout = if args.option("TIMEOUT") {
        Some(args.duration("TIMEOUT", Duration::from_millis(1)..=LONGEST_WAIT)?)
    } else {
        None
    };
    args.end("TIMEOUT")?;
    Ok(timeout)
}

enum Hit {
    /// The value went to the client.
    Sent,
    /// The value, taken out of its stored form.
    Plain(Bytes),
}

/// Answers a hit without copying the value, unless its loader stores it compressed.
fn read(ctx: &Context<'_>, name: &[u8]) -> Result<Hit, Held> {
    let limit = asked_for(name);
    ctx.with_string_at(1, |value| match limit.and_then(|limit| compress::decompress(value, limit)) {
        Some(plain) => Hit::Plain(plain),
        None => {
            ctx.reply_bytes(value);
            Hit::Sent
        }
    })
}

fn read_copy(ctx: &Context<'_>, name: &[u8]) -> Result<Bytes, Held> {
    let limit = asked_for(name);
    ctx.with_string(name, Opening::Read, |value| {
        let plain = limit.and_then(|limit| compress::decompress(value, limit));
        plain.unwrap_or_else(|| Bytes::copy_from_slice(value))
    })
}

/// Counts a read; the largest plain value of the key, if its loader stores it compressed.
fn asked_for(name: &[u8]) -> Option<usize> {
    state::with(|state| {
        state.counters.reads += 1;
        let loader = state.loaders.any_compressed().then(|| state.loaders.route(name)).flatten()?;
        let settings = loader.definition.settings();
        let limit = usize::try_from(settings.max_bytes).unwrap_or(usize::MAX);
        (settings.compress != Compression::None).then_some(limit)
    })
    .flatten()
}

/// What a miss comes to.
#[derive(Debug)]
pub enum Miss {
    /// The client is told this now.
    Told(News),
    /// The client may wait for this key.
    Fetch(Key),
}

/// What is to be done for a key that is missing.
pub fn missed(ctx: &Context<'_>, name: &[u8]) -> Miss {
    let db = ctx.db();
    let look = state::with(|state| {
        state.counters.read_misses += 1;
        state.look(db, name)
    });
    match look {
        None => Miss::Told(News::Refused(Refusal::not_ready())),
        Some(Look::Told(news)) => Miss::Told(news),
        Some(Look::Fetchable) if ctx.standing() == Standing::Replica => Miss::Told(News::Refused(Refusal::ReadOnly)),
        Some(Look::Fetchable) if ctx.may_block() => Miss::Fetch(Key::new(db, name)),
        Some(Look::Fetchable) => {
            queue(db, name);
            Miss::Told(News::Absent)
        }
    }
}

/// Queues a load for a client that cannot wait.
fn queue(db: Db, name: &[u8]) {
    state::with(|state| {
        if let Some(loader) = state.loaders.route(name).map(|loader| loader.id) {
            let request = Request { key: Key::new(db, name), loader, plan: Plan::MISSING };
            // Without room the key stays cold, as it was.
            let _ = state.engine.send(Message::Want(request, Priority::MAX));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_timeout_ends_the_keys_from_the_second_on() {
        let words: [&[u8]; 4] = [b"TIMEOUT", b"b", b"timeout", b"250ms"];
        let request = MGet::parse(&mut Args::new(&words)).unwrap();
        assert_eq!(request.keys, [b"TIMEOUT".as_slice(), b"b"]);
        assert_eq!(request.timeout, Some(Duration::from_millis(250)));
    }

    #[test]
    fn an_unknown_option_is_named() {
        let words: [&[u8]; 2] = [b"a", b"FAST"];
        let refusal = Get::parse(&mut Args::new(&words)).unwrap_err();
        assert_eq!(refusal.to_string(), "ERR unknown option 'FAST', allowed: TIMEOUT");
    }
}
