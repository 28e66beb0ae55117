//! What will be asked for: `WARM.PREDICT`, `WARM.TOP`, and `WARM.ENQUEUE`, which queues a key by it.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::features::{FEATURES, features};
use super::job::ask;
use super::spec::{Access, Argument, ArgumentKind, Keys, Spec};
use super::{Command, Verdict};
use crate::engine::foresight::Selection;
use crate::engine::foresight::forecast::{Class, ContentFeature};
use crate::engine::key::Key;
use crate::engine::request::{Plan, Priority, Request};
use crate::module::api::Context;
use crate::module::api::context::{Held, Look, Standing};
use crate::module::args::{Args, Parsed};
use crate::module::engine_thread::{self, Message};
use crate::module::prediction::records::{self, Scores};
use crate::module::prediction::{Question, Warmth};
use crate::module::reply::{Refusal, Reply};
use crate::module::target::{self, CLASS, REGION};
use crate::module::{clock, state};

/// The most keys of one ranking.
const MOST_RANKED: u64 = 100_000;

const HORIZON: Argument = Argument::option("duration", "HORIZON", ArgumentKind::String);
const HORIZONS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(30 * 86_400);

/// `WARM.PREDICT key [HORIZON d] [REGION r] [FEATURES n name value ...]`.
pub struct Predict;

/// The parsed arguments of [`Predict`].
#[derive(Debug, PartialEq)]
pub struct PredictRequest<'a> {
    key: &'a [u8],
    horizon: Option<Duration>,
    features: Vec<ContentFeature>,
}

impl Command for Predict {
    const SPEC: Spec = Spec {
        name: "WARM.PREDICT",
        summary: "Returns how much a key is expected to be asked for",
        complexity: "O(1)",
        since: "0.1.0",
        flags: "readonly fast",
        categories: "read",
        arity: -2,
        keys: Keys::First(Access::Look),
        arguments: &[Argument::new("key", ArgumentKind::Key), HORIZON, REGION, FEATURES],
        reply: "Map: `key`, `popularity` (requests expected in the horizon), `hot` (the calibrated probability that the key \
                is among the hottest `warm.hot-percent` of the tracked keys in it), `confidence` (of the side that was \
                called: `hot` or its complement, whichever is larger), `class` (`popular`, `trending`, `seasonal`, \
                `normal`, `cold`, `unknown`), `features` (a map of what the model looked at), `model` (its version; 0: none \
                is trained, the figures are what the last horizon was like), `at` (Unix ms).",
        notes: "Works for a key that was never seen: from `FEATURES`, up to 64 names of at most 64 bytes with finite \
                values, or from what is known of such keys. `HORIZON` 1ms to 30d, default `warm.horizon`. No region is \
                defined in this version, so `REGION` is refused. Inside MULTI or a script the answer is what was last \
                written down of the tracked keys, at most some seconds ago: without `features`, and a key that is not \
                tracked is unknown whatever is said of it.",
    };
    type Request<'a> = PredictRequest<'a>;

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<PredictRequest<'a>> {
        let mut request = PredictRequest { key: args.key()?, horizon: None, features: Vec::new() };
        while !args.is_empty() {
            if args.option("HORIZON") {
                request.horizon = Some(args.duration("HORIZON", HORIZONS)?);
            } else if args.option("REGION") {
                target::region(args)?;
            } else if args.option("FEATURES") {
                request.features = features(args)?;
            } else {
                args.end("HORIZON, REGION, FEATURES")?;
            }
        }
        Ok(request)
    }

    fn run(ctx: &Context<'_>, request: PredictRequest<'_>) -> Verdict {
        let PredictRequest { key, horizon, features } = request;
        if ctx.may_block() {
            return foretell(ctx, Question::Predict(Key::new(ctx.db(), key), horizon, features));
        }
        at_once(|state| {
            let told = state.engine.foretold().predict(ctx.db(), key, horizon, clock::now().wall);
            Ok(records::prediction(key, &told))
        })
    }
}

/// `WARM.ENQUEUE key [PRIORITY p] [FEATURES n name value ...]`.
pub struct Enqueue;

/// The parsed arguments of [`Enqueue`].
#[derive(Debug, PartialEq)]
pub struct EnqueueRequest<'a> {
    key: &'a [u8],
    base: Priority,
    features: Vec<ContentFeature>,
}

impl Command for Enqueue {
    const SPEC: Spec = Spec {
        name: "WARM.ENQUEUE",
        summary: "Queues a key to be warmed, as urgently as it is expected to be asked for",
        complexity: "O(log N) for N queued keys",
        since: "0.1.0",
        flags: "write fast",
        categories: "write fast",
        arity: -2,
        keys: Keys::First(Access::Write),
        arguments: &[
            Argument::new("key", ArgumentKind::Key),
            Argument::option("priority", "PRIORITY", ArgumentKind::Integer),
            FEATURES,
        ],
        reply: "Map: `priority` (the effective one), `popularity`, `confidence` (both as from WARM.PREDICT), `queued` (1, or 0 \
                if the key is warm already). Errors: `NOLOADER`, `QUEUEFULL`, `READONLY`.",
        notes: "`PRIORITY` 0 to 1000, default 100, is the base: the effective priority is the base times `0.5 + (hot + \
                popularity / (popularity + 10)) / 2`, at most 1000, so that of two keys with the same base the one that is \
                expected to be asked for more goes first. The key is fetched if it is missing; a key that is queued \
                already keeps the higher priority. `FEATURES`, as for WARM.PREDICT, are remembered for the key. While \
                warming is paused the key waits. Inside MULTI or a script the prediction is the one last written down.",
    };
    type Request<'a> = EnqueueRequest<'a>;

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<EnqueueRequest<'a>> {
        let mut request = EnqueueRequest { key: args.key()?, base: Priority::default(), features: Vec::new() };
        while !args.is_empty() {
            if args.option("PRIORITY") {
                let priority = u16::try_from(args.number("PRIORITY", 0..=1000)?).ok().and_then(Priority::new);
                request.base = priority.unwrap_or_default();
            } else if args.option("FEATURES") {
                request.features = features(args)?;
            } else {
                args.end("PRIORITY, FEATURES")?;
            }
        }
        Ok(request)
    }

    fn run(ctx: &Context<'_>, request: EnqueueRequest<'_>) -> Verdict {
        let EnqueueRequest { key: name, base, features } = request;
        if ctx.standing() == Standing::Replica {
            return Reply::from(Refusal::ReadOnly).into();
        }
        let route = |state: &mut state::State| state.loaders.route(name).map(|loader| loader.id);
        let Some(loader) = state::with(route).flatten() else {
            return Reply::from(Refusal::NoLoader).into();
        };
        let request = Request { key: Key::new(ctx.db(), name), loader, plan: Plan::MISSING };
        let warmth = if ctx.held(name, Look::Peek) == Held::Nothing { Warmth::Cold } else { Warmth::Warm };
        if ctx.may_block() {
            return foretell(ctx, Question::Enqueue(request, warmth, base, features));
        }
        at_once(|state| {
            let told = state.engine.foretold().predict(ctx.db(), name, None, clock::now().wall);
            let priority = told.urgency(base);
            if !features.is_empty() {
                state.described.note(&request.key, features);
                state.leftover = true;
            }
            if warmth == Warmth::Cold {
                state.engine.send(Message::Want(request, priority)).map_err(|_| Refusal::ENGINE_BUSY)?;
            }
            Ok(records::enqueued(priority, &told, warmth))
        })
    }
}

/// `WARM.TOP n [CLASS c] [REGION r] [HORIZON d] [WITHSCORES]`.
pub struct Top;

/// The parsed arguments of [`Top`].
#[derive(Debug, PartialEq, Eq)]
pub struct TopRequest {
    count: usize,
    class: Option<Class>,
    horizon: Option<Duration>,
    scores: Scores,
}

impl Command for Top {
    const SPEC: Spec = Spec {
        name: "WARM.TOP",
        summary: "Returns the keys that are expected to be asked for most",
        complexity: "O(N log N) for N tracked keys, off the main thread",
        since: "0.1.0",
        flags: "readonly",
        categories: "read slow",
        arity: -2,
        keys: Keys::None,
        arguments: &[
            Argument::new("count", ArgumentKind::Integer),
            CLASS,
            REGION,
            HORIZON,
            Argument::flag("withscores", "WITHSCORES").optional(),
        ],
        reply: "Array of keys, best first. With `WITHSCORES` each with the requests expected of it, as ZRANGE: alternating, or \
                pairs in RESP3.",
        notes: "`count` 1 to 100000. Keys of the client's database that are tracked (`warm.max-tracked-keys`), whether they \
                are in the cache or not; `CLASS popular`, `trending` or `seasonal`: those of this class alone. `HORIZON` as \
                for WARM.PREDICT. No region is defined in this version, so `REGION` is refused. As SCAN, it shows names of \
                keys to whoever may call it. Inside MULTI or a script the ranking is the one last written down, at most \
                some seconds ago.",
    };
    type Request<'a> = TopRequest;

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<TopRequest> {
        let count = args.number("count", 1..=MOST_RANKED)? as usize;
        let mut request = TopRequest { count, class: None, horizon: None, scores: Scores::Hidden };
        while !args.is_empty() {
            if args.option("CLASS") {
                request.class = Some(target::class(args)?);
            } else if args.option("REGION") {
                target::region(args)?;
            } else if args.option("HORIZON") {
                request.horizon = Some(args.duration("HORIZON", HORIZONS)?);
            } else if args.option("WITHSCORES") {
                request.scores = Scores::Shown;
            } else {
                args.end("CLASS, REGION, HORIZON, WITHSCORES")?;
            }
        }
        Ok(request)
    }

    fn run(ctx: &Context<'_>, request: TopRequest) -> Verdict {
        let TopRequest { count, class, horizon, scores } = request;
        let selection = Selection { count, class, db: Some(ctx.db()), horizon };
        if ctx.may_block() {
            return foretell(ctx, Question::Top(selection, scores));
        }
        at_once(|state| Ok(records::ranking(state.engine.foretold().top(&selection), scores)))
    }
}

/// Lets the client wait for the engine's answer.
pub fn foretell(ctx: &Context<'_>, question: Question) -> Verdict {
    ask(ctx, engine_thread::Question::Foretell(question))
}

/// Answers from what the main thread has.
pub fn at_once(answer: impl FnOnce(&mut state::State) -> Result<Reply, Refusal>) -> Verdict {
    let reply = state::with(answer).unwrap_or_else(|| Err(Refusal::not_ready()));
    reply.unwrap_or_else(Reply::from).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words<'a>(words: &'a [&'a str]) -> Vec<&'a [u8]> {
        words.iter().map(|word| word.as_bytes()).collect()
    }

    #[test]
    fn options_stand_in_any_order() {
        let given = words(&["k", "features", "1", "a", "-2", "HORIZON", "5m"]);
        let request = Predict::parse(&mut Args::new(&given)).unwrap();
        assert_eq!((request.key, request.horizon), (&b"k"[..], Some(Duration::from_secs(300))));
        assert_eq!(request.features[0].value, -2.0);
        let given = words(&["k", "FEATURES", "0", "priority", "7"]);
        assert_eq!(Enqueue::parse(&mut Args::new(&given)).unwrap().base.as_u16(), 7);
        let given = words(&["10", "withscores", "CLASS", "popular", "HORIZON", "60"]);
        let request = Top::parse(&mut Args::new(&given)).unwrap();
        assert_eq!((request.count, request.class, request.scores), (10, Some(Class::Popular), Scores::Shown));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let predict = |given: &[&str]| Predict::parse(&mut Args::new(&words(given))).unwrap_err().to_string();
        assert_eq!(predict(&["k", "REGION", "eu"]), "ERR unknown region 'eu', no region is defined");
        assert!(predict(&["k", "REGION", "e u"]).contains("must be 1 to 64 of"));
        assert!(predict(&["k", "HORIZON", "0"]).starts_with("ERR HORIZON '0' must be a duration"));
        assert_eq!(predict(&["k", "SOON"]), "ERR unknown option 'SOON', allowed: HORIZON, REGION, FEATURES");
        assert_eq!(
            predict(&["k", "FEATURES", "1", "a", "1", "b", "2"]),
            "ERR unknown option 'b', allowed: HORIZON, REGION, FEATURES"
        );
        let top = |given: &[&str]| Top::parse(&mut Args::new(&words(given))).unwrap_err().to_string();
        for bad in ["0", "-1", "100001", "x", "1.5"] {
            assert_eq!(top(&[bad]), format!("ERR count '{bad}' must be a whole number from 1 to 100000"));
        }
        let enqueue = |given: &[&str]| Enqueue::parse(&mut Args::new(&words(given))).unwrap_err().to_string();
        assert_eq!(enqueue(&["k", "PRIORITY", "1001"]), "ERR PRIORITY '1001' must be a whole number from 0 to 1000");
    }
}
