//! Commands: one file a family, one unit struct a command. [`TABLE`] lists them all; registration, `WARM.HELP` and
//! `docs/commands.md` come from it.

pub mod features;
pub mod get;
pub mod job;
pub mod lease;
pub mod load;
pub mod loader;
pub mod model;
pub mod predict;
pub mod queue;
pub mod spec;
pub mod stats;
pub mod track;

use super::api::Context;
use super::api::blocked::BlockedClient;
use super::args::{Args, Parsed, argument};
use super::entry::command;
use super::register::Entry;
use super::reply::{Refusal, Reply};
use spec::Spec;

/// Every command, in the order of the documents.
pub static TABLE: &[Entry] = &[
    entry::<get::Get>(),
    entry::<get::MGet>(),
    entry::<lease::Lease>(),
    entry::<lease::Fill>(),
    container(
        loader::LOADER,
        &[
            entry::<loader::Set>(),
            entry::<loader::GetLoader>(),
            entry::<loader::List>(),
            entry::<loader::Del>(),
            entry::<loader::Test>(),
            entry::<loader::Pause>(),
            entry::<loader::Resume>(),
            entry::<stats::LoaderHelp>(),
        ],
    ),
    entry::<load::Load>(),
    container(
        job::JOB,
        &[
            entry::<job::Status>(),
            entry::<job::List>(),
            entry::<job::Cancel>(),
            entry::<job::Wait>(),
            entry::<stats::JobHelp>(),
        ],
    ),
    entry::<queue::Progress>(),
    entry::<queue::Queue>(),
    entry::<predict::Enqueue>(),
    entry::<queue::Pause>(),
    entry::<queue::Resume>(),
    entry::<predict::Predict>(),
    entry::<predict::Top>(),
    container(
        model::MODEL,
        &[
            entry::<model::Info>(),
            entry::<model::Train>(),
            entry::<model::Eval>(),
            entry::<model::Export>(),
            entry::<model::Import>(),
            entry::<model::Reset>(),
            entry::<stats::ModelHelp>(),
        ],
    ),
    container(loader::CONFIG, &[entry::<loader::Reload>(), entry::<stats::ConfigHelp>()]),
    entry::<track::Track>(),
    entry::<stats::Stats>(),
    entry::<stats::Help>(),
];

const fn entry<C: Command>() -> Entry {
    Entry { spec: C::SPEC, handler: Some(command::<C>), children: &[] }
}

const fn container(spec: Spec, children: &'static [Entry]) -> Entry {
    Entry { spec, handler: None, children }
}

/// One command or subcommand.
pub trait Command {
    /// What the server and the documents are told.
    const SPEC: Spec;
    /// The parsed arguments.
    type Request<'a>;

    /// Parses the arguments after the command's (and subcommand's) name. Pure; consumes every argument.
    fn parse<'a>(args: &mut Args<'a>) -> Parsed<Self::Request<'a>>;

    /// Which of the arguments must not show in SLOWLOG and MONITOR, by their places. None, unless a command says so.
    fn secrets(_arguments: &[&[u8]]) -> Vec<usize> {
        Vec::new()
    }

    /// Carries the request out on the main thread.
    fn run(ctx: &Context<'_>, request: Self::Request<'_>) -> Verdict;
}

/// Makes the client wait for an answer from another thread; refused where it may not wait.
fn waiting(ctx: &Context<'_>) -> Result<BlockedClient, Refusal> {
    let client = if ctx.may_block() { BlockedClient::block(ctx) } else { None };
    client.ok_or_else(|| argument("this command cannot be used inside MULTI or a script".to_owned()))
}

/// How a command left its client.
#[derive(Debug)]
pub enum Verdict {
    /// With this reply.
    Reply(Reply),
    /// Replied to already, or blocked.
    Settled,
}

impl From<Reply> for Verdict {
    fn from(reply: Reply) -> Verdict {
        Verdict::Reply(reply)
    }
}
