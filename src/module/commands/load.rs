//! `WARM.LOAD`: warming keys, as a job.

use std::time::Duration;

use super::get::LONGEST_WAIT;
use super::spec::{Argument, ArgumentKind, Keys, Spec};
use super::{Command, Verdict};
use crate::engine::request::{JobSpec, Mode, Plan, Priority, Reason, Replace, Tag};
use crate::module::api::Context;
use crate::module::api::blocked::BlockedClient;
use crate::module::args::{Args, Parsed, argument};
use crate::module::engine_thread::Message;
use crate::module::expansion::Expansion;
use crate::module::reply::{Refusal, Reply};
use crate::module::target::{self, Target};
use crate::module::{clock, state};

/// Explicit keys where the client cannot wait (MULTI, scripts): they are looked at in one go, at about 0.5 µs each.
const MOST_AT_ONCE: usize = 1000;

/// Expansions that may be under way.
const MOST_EXPANSIONS: usize = 1000;

const OPTIONS: &str = "PRIORITY, TTL, FORCE, NOREPLACE, TAG, WAIT, then KEYS key [key ...], MATCH pattern [LIMIT n], TOP n \
                       [CLASS c] or FROM collection";

/// `WARM.LOAD [options] <target>`.
pub struct Load;

/// The parsed arguments of [`Load`].
#[derive(Debug, PartialEq, Eq)]
pub struct LoadRequest {
    spec: JobSpec,
    plan: Plan,
    wait: Option<Duration>,
    target: Target,
}

impl Command for Load {
    const SPEC: Spec = Spec {
        name: "WARM.LOAD",
        summary: "Loads keys from their origins, as a job",
        complexity: "O(N) for N keys, in slices; a key that is warm costs no origin request",
        since: "0.1.0",
        flags: "write",
        categories: "write slow",
        arity: -3,
        keys: Keys::None,
        arguments: &[
            Argument::option("priority", "PRIORITY", ArgumentKind::Integer),
            Argument::option("ttl", "TTL", ArgumentKind::String),
            Argument::flag("force", "FORCE").optional(),
            Argument::flag("noreplace", "NOREPLACE").optional(),
            Argument::option("tag", "TAG", ArgumentKind::String),
            Argument::option("wait", "WAIT", ArgumentKind::String),
            Argument::new("target", ArgumentKind::OneOf(&target::ARGUMENTS)),
        ],
        reply: "Map: `job`, `accepted` (keys queued), `fresh` (keys already warm, skipped without `FORCE`), `no_loader`, \
                `rejected` (no room in the queue, or keys that the caller did not name and may not write). With `WAIT`: \
                as WARM.JOB STATUS once the job has ended. Errors: `NOPERM`, `QUEUEFULL`, `TIMEOUT` (the job goes on), \
                `WRONGTYPE` (the collection is none).",
        notes: "`PRIORITY` 0 to 1000, higher first, default 100. `TTL` replaces the loader's. `FORCE` loads keys that exist \
                too; a value that was written after the fetch began is never replaced. `NOREPLACE` never replaces a \
                value that exists. `TAG` names the job in JOB STATUS, up to 256 bytes. `FROM` reads a set, sorted set \
                (highest first) or list. `MATCH` takes the tracked keys that the key pattern matches, the most expected \
                first, and then those that exist, which matters with `FORCE`; at most `LIMIT`, default 100000. `TOP` takes \
                the tracked keys with the most requests expected in the horizon. All of them work in slices, in the \
                client's database, and check the caller's ACL key permissions for each key. Inside MULTI or a script: `KEYS` only, at most 1000, without `WAIT`.",
    };
    type Request<'a> = LoadRequest;

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<LoadRequest> {
        let mut spec = JobSpec { priority: Priority::default(), reason: Reason::Request, tag: None };
        let mut plan = Plan::MISSING;
        let mut wait = None;
        let target = loop {
            if args.option("PRIORITY") {
                let priority = u16::try_from(args.number("PRIORITY", 0..=1000)?).ok().and_then(Priority::new);
                spec.priority = priority.unwrap_or_default();
            } else if args.option("TTL") {
                let year = Duration::from_secs(365 * 86_400);
                plan.ttl = Some(args.duration("TTL", Duration::from_millis(1)..=year)?);
            } else if args.option("FORCE") {
                plan.mode = Mode::Force;
            } else if args.option("NOREPLACE") {
                plan.replace = Replace::Never;
            } else if args.option("TAG") {
                let tag = args.next("TAG")?;
                let too_long =
                    || argument(format!("TAG is {} bytes long, at most {} are allowed", tag.len(), Tag::MAX));
                spec.tag = Some(Tag::new(tag).ok_or_else(too_long)?);
            } else if args.option("WAIT") {
                wait = Some(args.duration("WAIT", Duration::from_millis(1)..=LONGEST_WAIT)?);
            } else if let Some(target) = Target::parse(args)? {
                break target;
            } else {
                args.end(OPTIONS)?;
                return Err(argument(format!("a target is missing: {}", target::SYNTAX)));
            }
        };
        Ok(LoadRequest { spec, plan, wait, target })
    }

    fn run(ctx: &Context<'_>, request: LoadRequest) -> Verdict {
        match start(ctx, request) {
            Ok(verdict) => verdict,
            Err(refusal) => Reply::from(refusal).into(),
        }
    }
}

fn start(ctx: &Context<'_>, request: LoadRequest) -> Result<Verdict, Refusal> {
    let LoadRequest { spec, plan, wait, target } = request;
    let may_block = ctx.may_block();
    if !may_block {
        match &target {
            Target::Keys(keys) if keys.len() <= MOST_AT_ONCE && wait.is_none() => {}
            _ => {
                let allowed = "inside MULTI or a script WARM.LOAD takes at most 1000 KEYS, no other target and no WAIT";
                return Err(argument(allowed.to_owned()));
            }
        }
    }
    let busy = || Refusal::ENGINE_BUSY;
    let job = state::with(|state| (state.expansions.len() < MOST_EXPANSIONS).then(|| state.new_job()));
    let job = job.flatten().ok_or_else(busy)?;
    let expansion = Expansion::new(ctx, job, target, plan)?;
    state::with(|state| state.engine.send(Message::Open(job, spec))).and_then(Result::ok).ok_or_else(busy)?;
    if !may_block {
        return Ok(expansion.at_once(ctx).record(job).into());
    }
    let until = wait.map(|wait| clock::mono().after(wait));
    let Some(client) = BlockedClient::block(ctx) else {
        return Ok(expansion.at_once(ctx).record(job).into());
    };
    let expansion = expansion.answering(client, until);
    state::with(|state| {
        state.expansions.push_back(expansion);
        state.leftover = true;
    });
    Ok(Verdict::Settled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Parsed<LoadRequest> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        Load::parse(&mut Args::new(&words))
    }

    #[test]
    fn options_come_before_the_target() {
        let request = parse(&["force", "PRIORITY", "7", "TTL", "5m", "TAG", "t", "WAIT", "2s", "KEYS", "a", "FORCE"]);
        let request = request.unwrap();
        assert_eq!(
            request.plan,
            Plan { mode: Mode::Force, replace: Replace::Older, ttl: Some(Duration::from_secs(300)) }
        );
        assert_eq!(request.spec.priority.as_u16(), 7);
        assert_eq!(request.wait, Some(Duration::from_secs(2)));
        assert_eq!(request.target, Target::Keys(vec![b"a".to_vec(), b"FORCE".to_vec()]));
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        for (words, error) in [
            (
                vec!["FORCE"],
                "ERR a target is missing: KEYS key [key ...], MATCH pattern [LIMIT n], TOP n [CLASS c] or FROM collection",
            ),
            (vec!["KEYS"], "ERR key is missing"),
            (vec!["PRIORITY", "1001", "KEYS", "a"], "ERR PRIORITY '1001' must be a whole number from 0 to 1000"),
            (vec!["FROM", "a", "b"], "ERR unknown option 'b', allowed: nothing after FROM collection"),
        ] {
            assert_eq!(parse(&words).unwrap_err().to_string(), error);
        }
        assert!(parse(&["QUICK", "KEYS", "a"]).unwrap_err().to_string().contains("unknown option 'QUICK'"));
    }
}
