//! `WARM.JOB`: what became of the work that was asked for.

use std::time::Duration;

use super::get::LONGEST_WAIT;
use super::spec::{Argument, ArgumentKind, Keys, Spec};
use super::{Command, Verdict, waiting};
use crate::engine::jobs::{JobFilter, JobState};
use crate::engine::request::JobId;
use crate::module::api::Context;
use crate::module::args::{Args, Parsed};
use crate::module::engine_thread::Question;
use crate::module::reply::Reply;
use crate::module::{clock, state};

const ID: Argument = Argument::new("id", ArgumentKind::Integer);

/// `WARM.JOB`, which only holds its subcommands.
pub const JOB: Spec = Spec {
    name: "WARM.JOB",
    summary: "Commands on jobs: the keys that one command, schedule or event asked to be warmed",
    complexity: "Depends on the subcommand",
    since: "0.1.0",
    flags: "readonly",
    categories: "",
    arity: -2,
    keys: Keys::None,
    arguments: &[],
    reply: "",
    notes: "Ended jobs are remembered for an hour, the last 1000 of them.",
};

const STATUS_REPLY: &str = "Map: `job`, `state` (`running`, `done`, `cancelled`), `tag`, `priority`, `reason`, `total`, \
    `pending`, `warming`, `completed`, `failed`, `dropped`, of the completed `fresh`, of the dropped `absent`, `rejected`, \
    `bytes`, `started_at`, `finished_at` (Unix ms), `rate` (keys per second), `eta_ms`, `errors` (a list of maps `message`, \
    `count`). Error: there is no such job.";

/// Sends a question to the engine with the client as its reply address.
pub fn ask(ctx: &Context<'_>, question: Question) -> Verdict {
    let client = match waiting(ctx) {
        Ok(client) => client,
        Err(refusal) => return Reply::from(refusal).into(),
    };
    state::with(|state| {
        state.send_settlements();
        state.engine.ask(question, client);
    });
    Verdict::Settled
}

fn id(args: &mut Args<'_>) -> Parsed<JobId> {
    args.number("id", 1..=u64::MAX).map(JobId)
}

/// `WARM.JOB STATUS id`.
pub struct Status;

impl Command for Status {
    const SPEC: Spec = Spec {
        name: "STATUS",
        summary: "Returns how a job does",
        complexity: "O(1)",
        arity: 3,
        arguments: &[ID],
        reply: STATUS_REPLY,
        notes: "",
        ..JOB
    };
    type Request<'a> = JobId;

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<JobId> {
        let job = id(args)?;
        args.end("nothing after id")?;
        Ok(job)
    }

    fn run(ctx: &Context<'_>, job: JobId) -> Verdict {
        ask(ctx, Question::Job(job))
    }
}

/// `WARM.JOB LIST [STATE s] [COUNT n]`.
pub struct List;

impl Command for List {
    const SPEC: Spec = Spec {
        name: "LIST",
        summary: "Lists jobs, newest first",
        complexity: "O(N) for N jobs",
        arity: -2,
        arguments: &[
            Argument::option("state", "STATE", ArgumentKind::OneOf(&STATES)),
            Argument::option("count", "COUNT", ArgumentKind::Integer),
        ],
        reply: "Array of maps as from WARM.JOB STATUS.",
        notes: "`COUNT` 1 to 10000, default 20.",
        ..JOB
    };
    type Request<'a> = (JobFilter, usize);

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<(JobFilter, usize)> {
        let (mut filter, mut count) = (JobFilter::Any, 20);
        while !args.is_empty() {
            if args.option("STATE") {
                let states =
                    [("running", JobState::Running), ("done", JobState::Done), ("cancelled", JobState::Cancelled)];
                filter = JobFilter::In(args.word("STATE", &states)?);
            } else if args.option("COUNT") {
                count = args.number("COUNT", 1..=10_000)? as usize;
            } else {
                args.end("STATE, COUNT")?;
            }
        }
        Ok((filter, count))
    }

    fn run(ctx: &Context<'_>, (filter, count): (JobFilter, usize)) -> Verdict {
        ask(ctx, Question::Jobs(filter, count))
    }
}

const STATES: [Argument; 3] =
    [Argument::flag("running", "running"), Argument::flag("done", "done"), Argument::flag("cancelled", "cancelled")];

/// `WARM.JOB CANCEL id`.
pub struct Cancel;

impl Command for Cancel {
    const SPEC: Spec = Spec {
        name: "CANCEL",
        summary: "Ends a running job; its keys that nobody else wants are not loaded",
        complexity: "O(N) for N queued keys",
        flags: "write",
        categories: "write",
        arity: 3,
        arguments: &[ID],
        reply: "Integer: the keys dropped; 0 if the job has ended already. Error: there is no such job.",
        notes: "Fetches under way are abandoned: their results are not written.",
        ..JOB
    };
    type Request<'a> = JobId;

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<JobId> {
        Status::parse(args)
    }

    fn run(ctx: &Context<'_>, job: JobId) -> Verdict {
        ask(ctx, Question::Cancel(job))
    }
}

/// `WARM.JOB WAIT id d`.
pub struct Wait;

impl Command for Wait {
    const SPEC: Spec = Spec {
        name: "WAIT",
        summary: "Waits until a job has ended",
        complexity: "O(1)",
        arity: 4,
        arguments: &[ID, Argument::new("duration", ArgumentKind::String)],
        reply: "As WARM.JOB STATUS, once the job has ended. Errors: `TIMEOUT` (the job goes on), there is no such job.",
        notes: "",
        ..JOB
    };
    type Request<'a> = (JobId, Duration);

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<(JobId, Duration)> {
        let job = id(args)?;
        let wait = args.duration("duration", Duration::from_millis(1)..=LONGEST_WAIT)?;
        args.end("nothing after duration")?;
        Ok((job, wait))
    }

    fn run(ctx: &Context<'_>, (job, wait): (JobId, Duration)) -> Verdict {
        ask(ctx, Question::Wait(job, clock::mono().after(wait)))
    }
}
