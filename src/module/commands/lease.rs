//! For applications that fetch themselves: `WARM.LEASE` and `WARM.FILL`.

use std::time::Duration;

use super::spec::{Access, Argument, ArgumentKind, Keys, Spec};
use super::{Command, Verdict};
use crate::engine::flights::{Begun, Owner, Token};
use crate::engine::key::Key;
use crate::engine::settlement::Settled;
use crate::engine::time::Wall;
use crate::module::api::Context;
use crate::module::api::call::Effect;
use crate::module::api::context::{Held, Look, Standing};
use crate::module::args::{Args, Parsed};
use crate::module::reply::{Refusal, Reply};
use crate::module::waiter::News;
use crate::module::{clock, hooks, state};

/// How long a lease lasts unless told otherwise.
const LEASE: Duration = Duration::from_secs(10);

/// The longest life of a filled value.
const LONGEST_LIFE: Duration = Duration::from_secs(10 * 365 * 86_400);

/// `WARM.LEASE key [TTL d]`.
pub struct Lease;

impl Command for Lease {
    const SPEC: Spec = Spec {
        name: "WARM.LEASE",
        summary: "Returns a key's value, or the right to fetch and fill it, which one client holds at a time",
        complexity: "O(1)",
        since: "0.1.0",
        flags: "readonly fast",
        categories: "read",
        arity: -2,
        keys: Keys::First(Access::Read),
        arguments: &[Argument::new("key", ArgumentKind::Key), Argument::option("ttl", "TTL", ArgumentKind::String)],
        reply: "Map: `value` (bulk string or null), `state` (`hit`, `won`: you fetch and fill, `wait`: another client or \
                a loader fetches), `token` (for WARM.FILL; null unless `won`). Errors: `WRONGTYPE`, `READONLY` (a miss on \
                a replica), `QUEUEFULL`.",
        notes: "A lease lasts 10 s unless `TTL` says otherwise (1 ms to 1 h). It ends early when anybody writes, deletes, \
                renames or changes the expiry of the key, or flushes its database. No loader is needed.",
    };
    type Request<'a> = (&'a [u8], Duration);

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<(&'a [u8], Duration)> {
        let key = args.key()?;
        let ttl = if args.option("TTL") {
            args.duration("TTL", Duration::from_millis(1)..=Duration::from_secs(3600))?
        } else {
            LEASE
        };
        args.end("TTL")?;
        Ok((key, ttl))
    }

    fn run(ctx: &Context<'_>, (name, ttl): (&[u8], Duration)) -> Verdict {
        let record = |value, state, token| {
            Reply::record([("value", value), ("state", Reply::Word(state)), ("token", Reply::or_null(token))])
        };
        match ctx.with_string(name, Look::Read, bytes::Bytes::copy_from_slice) {
            Ok(value) => return record(Reply::Bulk(value), "hit", None).into(),
            Err(Held::Nothing) => {}
            Err(_) => return Reply::from(Refusal::WrongType).into(),
        }
        if ctx.standing() == Standing::Replica {
            return Reply::from(Refusal::ReadOnly).into();
        }
        let key = Key::new(ctx.db(), name);
        let begun = state::with(|state| {
            let now = clock::mono();
            // A lease that ended or was voided, and that nobody waits for, makes room for a new one.
            state.expire(now, 1);
            state.retire_void_lease(&key);
            let begun = state.begin_flight(key, Owner::Client { expires: now.after(ttl) });
            if let Begun::Started(_) = begun {
                state.counters.leases += 1;
            }
            state.wake_for_deadlines(now);
            begun
        });
        match begun {
            Some(Begun::Started(token)) => {
                record(Reply::Null, "won", Some(Reply::Text(format!("{:016x}", token.as_u64())))).into()
            }
            Some(Begun::Joined(_)) => record(Reply::Null, "wait", None).into(),
            Some(Begun::Full) | None => Reply::from(Refusal::QueueFull("too many keys are in flight")).into(),
        }
    }
}

impl state::State {
    /// Ends a client's lease on a key that was voided, if nobody waits for its outcome.
    fn retire_void_lease(&mut self, key: &Key) {
        let Some(flight) = self.flights.state(key.db(), key.name()) else { return };
        let void_lease = flight.voided.is_some() && matches!(flight.owner, Owner::Client { .. });
        if void_lease && !self.flights.is_wanted(key.db(), key.name()) {
            self.flights.land(key.db(), key.name(), flight.token);
        }
    }
}

/// `WARM.FILL key token value [EX d|PX ms]`.
pub struct Fill;

/// The parsed arguments of [`Fill`].
#[derive(Debug, PartialEq, Eq)]
pub struct FillRequest<'a> {
    name: &'a [u8],
    token: Option<Token>,
    value: &'a [u8],
    life: Option<Duration>,
}

impl Command for Fill {
    const SPEC: Spec = Spec {
        name: "WARM.FILL",
        summary: "Writes the value of a leased key, unless the key was written or deleted since the lease",
        complexity: "O(1)",
        since: "0.1.0",
        flags: "write deny-oom fast",
        categories: "write",
        arity: -4,
        keys: Keys::First(Access::Write),
        arguments: &[
            Argument::new("key", ArgumentKind::Key),
            Argument::new("token", ArgumentKind::String),
            Argument::new("value", ArgumentKind::String),
            Argument { optional: true, ..Argument::new("expiration", ArgumentKind::OneOf(&EXPIRATION)) },
        ],
        reply: "`OK`. Errors: `STALETOKEN` if the lease ended or the key was changed since, `WRONGTYPE`.",
        notes: "`EX` takes a duration (a bare integer is seconds), `PX` milliseconds. Without either, the value lives for \
                the `TTL` of the loader that matches the key, or for ever if none does. Clients that wait for the key get \
                the value.",
    };
    type Request<'a> = FillRequest<'a>;

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<FillRequest<'a>> {
        let name = args.key()?;
        let token = args.next("token")?;
        let value = args.next("value")?;
        let shortest = Duration::from_millis(1);
        let life = if args.option("EX") {
            Some(args.duration("EX", shortest..=LONGEST_LIFE)?)
        } else if args.option("PX") {
            let most = u64::try_from(LONGEST_LIFE.as_millis()).unwrap_or(u64::MAX);
            Some(Duration::from_millis(args.number("PX", 1..=most)?))
        } else {
            None
        };
        args.end("EX, PX")?;
        let number = std::str::from_utf8(token).ok().filter(|text| text.len() == 16);
        let token = number.and_then(|text| u64::from_str_radix(text, 16).ok()).map(Token::from_u64);
        Ok(FillRequest { name, token, value, life })
    }

    fn run(ctx: &Context<'_>, request: FillRequest<'_>) -> Verdict {
        let FillRequest { name, token, value, life } = request;
        let key = Key::new(ctx.db(), name);
        let now = clock::now();
        let stale = || {
            state::with(|state| state.counters.stale_fills += 1);
            Verdict::from(Reply::from(Refusal::StaleToken))
        };
        let Some(token) = token else { return stale() };
        let until = state::with(|state| {
            if !state.flights.may_fill(now.mono, key.db(), name, token) {
                return None;
            }
            let chance = state.draw();
            let loaders = || state.loaders.route(name);
            let life = life.or_else(|| loaders().map(|l| l.definition.jittered(l.definition.settings().ttl, chance)));
            Some(life.map(|life| now.wall.after(life)))
        });
        let Some(Some(until)) = until else { return stale() };
        if !matches!(ctx.held(name, Look::Peek), Held::Nothing | Held::String(_)) {
            return Reply::from(Refusal::WrongType).into();
        }
        if let Err(error) = fill(ctx, &key, value, until) {
            return Reply::Error(error).into();
        }
        state::with(|state| {
            let Some(landed) = state.flights.land(key.db(), name, token) else { return };
            state.absent.forget(key.db(), name);
            state.counters.fills += 1;
            state.settle_landed(&landed, None, Settled::Loaded { bytes: value.len() as u64, expires_at: until }, 0);
            state.releases.push(landed, News::Value(bytes::Bytes::copy_from_slice(value)));
            state.leftover = true;
        });
        Reply::Ok.into()
    }
}

const EXPIRATION: [Argument; 2] = [
    Argument { token: "EX", ..Argument::new("duration", ArgumentKind::String) },
    Argument { token: "PX", ..Argument::new("milliseconds", ArgumentKind::Integer) },
];

fn fill(ctx: &Context<'_>, key: &Key, value: &[u8], until: Option<Wall>) -> Result<(), String> {
    hooks::writing(key, || match until {
        Some(until) => ctx.set_until(key.name(), value, until).map(drop),
        None => ctx.call(c"SET", Effect::Write, &[key.name(), value]).map(drop),
    })
}
