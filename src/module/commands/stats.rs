//! Looking at the module: `WARM.STATS` and `WARM.HELP`.

use super::spec::{Argument, ArgumentKind, Keys, Spec};
use super::{Command, TABLE, Verdict};
use crate::module::api::Context;
use crate::module::args::{Args, Parsed};
use crate::module::docs;
use crate::module::metrics::{Fields, Metrics, SECTIONS};
use crate::module::register::Entry;
use crate::module::reply::{Refusal, Reply};
use crate::module::state;

/// `WARM.STATS [section]`.
pub struct Stats;

impl Command for Stats {
    const SPEC: Spec = Spec {
        name: "WARM.STATS",
        summary: "Returns the module's figures",
        complexity: "O(N) for N loaders",
        since: "0.1.0",
        flags: "readonly",
        categories: "slow",
        arity: -1,
        keys: Keys::None,
        arguments: &[Argument { optional: true, ..Argument::new("section", ArgumentKind::OneOf(&SECTION)) }],
        reply: "Map of sections, or the fields of one: `warming` (queue, jobs, keys, reads), `prediction` (the \
                model, what was fetched ahead), `hits` (by class and `overall`, each `requests`, `hits`, `ratio`; the same of \
                keys that may be warmed ahead, `eligible`, and of the `holdout`, and the `gain` between them; `warmed_hits`, `wasted`, `origin_saved`), `loaders` (a map per loader), \
                `memory` (bytes), `threads` (time in slices of the main thread, panics caught). Counters count since the \
                module was loaded.",
        notes: "`INFO warm` carries the same figures as flat fields. Of the keys that a loader's pattern may match, \
                `watch_accesses`, `watch_misses` and their like say what the engine was told of; `watch_dropped` what it \
                could not be told for want of room. `watch_sampled_one_in` above 1 says that the main thread is too busy \
                to watch every command: each that is watched then counts for so many.",
    };
    type Request<'a> = Option<&'static str>;

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<Option<&'static str>> {
        if args.is_empty() {
            return Ok(None);
        }
        let sections = SECTIONS.map(|section| (section, section));
        let section = args.word("section", &sections)?;
        args.end("nothing after section")?;
        Ok(Some(section))
    }

    fn run(_ctx: &Context<'_>, section: Option<&'static str>) -> Verdict {
        let Some(metrics) = state::with(|state| Metrics::take(state)) else {
            return Reply::from(Refusal::not_ready()).into();
        };
        let Metrics { warming, prediction, hits, loaders, memory, threads } = metrics;
        let loaders = loaders.into_iter().map(|(name, fields)| (Reply::Text(name), map(fields))).collect();
        let sections = [map(warming), map(prediction), map(hits), Reply::Map(loaders), map(memory), map(threads)];
        let mut sections = SECTIONS.into_iter().zip(sections);
        match section {
            None => Reply::record(sections),
            Some(section) => Reply::or_null(sections.find(|(name, _)| *name == section).map(|(_, fields)| fields)),
        }
        .into()
    }
}

const SECTION: [Argument; 6] = [
    Argument::flag("warming", "warming"),
    Argument::flag("prediction", "prediction"),
    Argument::flag("hits", "hits"),
    Argument::flag("loaders", "loaders"),
    Argument::flag("memory", "memory"),
    Argument::flag("threads", "threads"),
];

fn map(fields: Fields) -> Reply {
    Reply::Map(fields.into_iter().map(|(name, figure)| (Reply::Text(name), figure.into())).collect())
}

/// `WARM.HELP`.
pub struct Help;

impl Command for Help {
    const SPEC: Spec = Spec {
        name: "WARM.HELP",
        summary: "Lists the commands",
        complexity: "O(1)",
        since: "0.1.0",
        flags: "readonly allow-loading allow-stale",
        categories: "",
        arity: 1,
        keys: Keys::None,
        arguments: &[],
        reply: "Array of lines: each command's syntax, and what it does.",
        notes: "",
    };
    type Request<'a> = ();

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<()> {
        args.end("nothing")
    }

    fn run(_ctx: &Context<'_>, (): ()) -> Verdict {
        lines(TABLE)
    }
}

/// The help of one command with subcommands.
macro_rules! help_of {
    ($name:ident, $container:literal) => {
        #[doc = concat!("`", $container, " HELP`.")]
        pub struct $name;

        impl Command for $name {
            const SPEC: Spec = Spec { name: "HELP", summary: "Lists the subcommands", arity: 2, ..Help::SPEC };
            type Request<'a> = ();

            fn parse<'a>(args: &mut Args<'a>) -> Parsed<()> {
                args.end("nothing")
            }

            fn run(_ctx: &Context<'_>, (): ()) -> Verdict {
                lines(TABLE.iter().find(|entry| entry.spec.name == $container).map_or(&[], std::slice::from_ref))
            }
        }
    };
}

help_of!(LoaderHelp, "WARM.LOADER");
help_of!(JobHelp, "WARM.JOB");
help_of!(ModelHelp, "WARM.MODEL");
help_of!(ConfigHelp, "WARM.CONFIG");

fn lines(entries: &[Entry]) -> Verdict {
    Reply::Array(docs::help(entries).into_iter().map(Reply::Text).collect()).into()
}
