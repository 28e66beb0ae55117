//! Commands: one file a family, one unit struct a command. [`TABLE`] lists them all; registration, `WARM.HELP` and
//! `docs/commands.md` come from it.

pub mod spec;

use super::api::Context;
use super::args::{Args, Parsed};
use super::reply::Reply;
use spec::Spec;

/// One command or subcommand.
pub trait Command {
    /// What the server and the documents are told.
    const SPEC: Spec;
    /// The parsed arguments.
    type Request<'a>;

    /// Parses the arguments after the command's (and subcommand's) name. Pure; consumes every argument.
    fn parse<'a>(args: &mut Args<'a>) -> Parsed<Self::Request<'a>>;

    /// Carries the request out on the main thread.
    fn run(ctx: &Context<'_>, request: Self::Request<'_>) -> Verdict;
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
