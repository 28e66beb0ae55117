//! What is to be warmed next and where a key stands: `WARM.PROGRESS`, `WARM.QUEUE`, `WARM.PAUSE`, `WARM.RESUME`.

use super::job::ask;
use super::spec::{Access, Argument, ArgumentKind, Keys, Spec};
use super::{Command, Verdict};
use crate::engine::key::Key;
use crate::module::api::Context;
use crate::module::args::{Args, Parsed};
use crate::module::engine_thread::{Message, Question};
use crate::module::reply::{Refusal, Reply};
use crate::module::state;

/// `WARM.PROGRESS key`.
pub struct Progress;

impl Command for Progress {
    const SPEC: Spec = Spec {
        name: "WARM.PROGRESS",
        summary: "Returns where the warming of a key stands",
        complexity: "O(1)",
        since: "0.1.0",
        flags: "readonly fast",
        categories: "read",
        arity: 2,
        keys: Keys::First(Access::Look),
        arguments: &[Argument::new("key", ArgumentKind::Key)],
        reply: "Map: `key`, `status` (`not_scheduled`, `pending`, `warming`, `completed`, `failed`, `dropped`), `loader`, \
                `attempts` (origin requests, retries included), `scheduled_at`, `started_at`, `completed_at`, \
                `expires_at` (Unix ms), `bytes`, `error`; what does not apply is null.",
        notes: "Remembered for the last `warm.max-tracked-keys` keys that were loaded, also by reading through.",
    };
    type Request<'a> = &'a [u8];

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<&'a [u8]> {
        let key = args.key()?;
        args.end("nothing after key")?;
        Ok(key)
    }

    fn run(ctx: &Context<'_>, name: &[u8]) -> Verdict {
        ask(ctx, Question::Progress(Key::new(ctx.db(), name)))
    }
}

/// `WARM.QUEUE [COUNT n]`.
pub struct Queue;

impl Command for Queue {
    const SPEC: Spec = Spec {
        name: "WARM.QUEUE",
        summary: "Returns the head of the queue of keys to warm",
        complexity: "O(N × L) for N entries and L loaders",
        since: "0.1.0",
        flags: "readonly",
        categories: "read slow",
        arity: -1,
        keys: Keys::None,
        arguments: &[Argument::option("count", "COUNT", ArgumentKind::Integer)],
        reply: "Array of maps `key`, `priority`, `reason` (`request`, …), `due_at` (Unix ms), `deadline` (null: none).",
        notes: "`COUNT` 1 to 10000, default 10. Loaders take turns, so the keys of one may overtake those of another.",
    };
    type Request<'a> = usize;

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<usize> {
        let count = if args.option("COUNT") { args.number("COUNT", 1..=10_000)? as usize } else { 10 };
        args.end("COUNT")?;
        Ok(count)
    }

    fn run(ctx: &Context<'_>, count: usize) -> Verdict {
        ask(ctx, Question::Queue(count))
    }
}

/// `WARM.PAUSE`.
pub struct Pause;

impl Command for Pause {
    const SPEC: Spec = Spec {
        name: "WARM.PAUSE",
        summary: "Lets warming stand still",
        complexity: "O(1)",
        since: "0.1.0",
        flags: "",
        categories: "admin dangerous",
        arity: 1,
        keys: Keys::None,
        arguments: &[],
        reply: "`OK`.",
        notes: "Queued keys stay queued, new ones are accepted, and what is under way ends. Clients that read through \
                (WARM.GET) are still served; WARM.LOADER PAUSE stops them too, for one loader.",
    };
    type Request<'a> = ();

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<()> {
        args.end("nothing")
    }

    fn run(_ctx: &Context<'_>, (): ()) -> Verdict {
        tell(Message::Pause)
    }
}

/// `WARM.RESUME`.
pub struct Resume;

impl Command for Resume {
    const SPEC: Spec = Spec {
        name: "WARM.RESUME",
        summary: "Ends a pause of warming",
        reply: "`OK`, also if warming was not paused.",
        notes: "",
        ..Pause::SPEC
    };
    type Request<'a> = ();

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<()> {
        args.end("nothing")
    }

    fn run(_ctx: &Context<'_>, (): ()) -> Verdict {
        tell(Message::Resume)
    }
}

fn tell(message: Message) -> Verdict {
    match state::with(|state| state.engine.send(message)) {
        Some(Ok(())) => Reply::Ok.into(),
        _ => Reply::from(Refusal::ENGINE_BUSY).into(),
    }
}
