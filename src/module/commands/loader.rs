//! `WARM.LOADER`: origins, and how keys are loaded from them. `WARM.CONFIG RELOAD`: the same from the warm file.

use std::sync::Arc;

use super::spec::{Argument, ArgumentKind, Keys, Spec};
use super::{Command, Verdict, waiting};
use crate::engine::key::Key;
use crate::loader::probe::ProbeReport;
use crate::loader::settings::{Kind, Settings};
use crate::module::api::Context;
use crate::module::api::log::{self, Level};
use crate::module::args::{Args, Parsed, argument, shown};
use crate::module::directives::LoaderCommands;
use crate::module::loaders::{Loader, Source};
use crate::module::reply::{Refusal, Reply};
use crate::module::warmfile::Word;
use crate::module::{config, definitions, loader_options, metrics, state};

const NAME: Argument = Argument::new("name", ArgumentKind::String);

/// `WARM.LOADER`, which only holds its subcommands.
pub const LOADER: Spec = Spec {
    name: "WARM.LOADER",
    summary: "Commands on loaders: which keys come from which origin, and how",
    complexity: "Depends on the subcommand",
    since: "0.1.0",
    flags: "readonly",
    categories: "",
    arity: -2,
    keys: Keys::None,
    arguments: &[],
    reply: "",
    notes: "SET and DEL need the directive `warm.enable-loader-commands`. Loaders of the warm file are read-only to \
            commands.",
};

const ADMIN: &str = "admin dangerous";

/// `WARM.LOADER SET name MATCH pattern URL template [option ...]`.
pub struct Set;

impl Command for Set {
    const SPEC: Spec = Spec {
        name: "SET",
        summary: "Defines a loader, or defines it anew",
        complexity: "O(N) for N loaders",
        categories: ADMIN,
        arity: -7,
        arguments: &loader_options::ARGUMENTS,
        reply: "`OK`. Errors name the argument, its value and what is allowed; nothing is changed then.",
        notes: loader_options::NOTES,
        ..LOADER
    };
    type Request<'a> = Settings;

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<Settings> {
        let words: Vec<Word> = args.rest("name")?.iter().map(|word| Word::plain(word)).collect();
        loader_options::parse_set(&words)
    }

    fn secrets(arguments: &[&[u8]]) -> Vec<usize> {
        let follows =
            |word: &[u8]| ["HEADER", "URL", "BATCHURL"].iter().any(|o| word.eq_ignore_ascii_case(o.as_bytes()));
        (1..arguments.len()).filter(|&place| follows(arguments[place - 1])).collect()
    }

    fn run(ctx: &Context<'_>, settings: Settings) -> Verdict {
        let storable = || match settings.kind {
            Kind::Json if !ctx.knows(c"JSON.SET") => {
                Err(argument("TYPE 'json' needs the command JSON.SET, which this server does not have".to_owned()))
            }
            _ => Ok(()),
        };
        let defined = may_change(ctx).and_then(|()| storable()).and_then(|()| definitions::checked(settings.clone()));
        change(defined.and_then(|definition| with_state(|state| state.loaders.set(definition))))
    }
}

/// `WARM.LOADER DEL name`.
pub struct Del;

impl Command for Del {
    const SPEC: Spec = Spec {
        name: "DEL",
        summary: "Removes a loader; its queued keys are dropped, fetches under way end",
        complexity: "O(N) for N queued keys of the loader",
        categories: ADMIN,
        arity: 3,
        arguments: &[NAME],
        reply: "`OK`. Error: there is no such loader.",
        notes: "",
        ..LOADER
    };
    type Request<'a> = String;

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<String> {
        one_name(args)
    }

    fn run(ctx: &Context<'_>, name: String) -> Verdict {
        let deleted = may_change(ctx).and_then(|()| with_state(|state| state.loaders.delete(&name)));
        change(deleted.and_then(|found| if found { Ok(()) } else { Err(unknown(&name)) }))
    }
}

/// `WARM.LOADER LIST`.
pub struct List;

impl Command for List {
    const SPEC: Spec = Spec {
        name: "LIST",
        summary: "Lists the names of the loaders",
        complexity: "O(N) for N loaders",
        arity: 2,
        reply: "Array of names, sorted.",
        notes: "",
        ..LOADER
    };
    type Request<'a> = ();

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<()> {
        args.end("nothing")
    }

    fn run(_ctx: &Context<'_>, (): ()) -> Verdict {
        let names = with_state(|state| {
            Ok(state.loaders.iter().map(|loader| Reply::Text(loader.definition.name().to_owned())).collect())
        });
        names.map_or_else(Reply::from, Reply::Array).into()
    }
}

/// `WARM.LOADER GET name`.
pub struct GetLoader;

impl Command for GetLoader {
    const SPEC: Spec = Spec {
        name: "GET",
        summary: "Returns a loader's settings and figures",
        complexity: "O(1)",
        arity: 3,
        arguments: &[NAME],
        reply: "Map: `name`, `source` (`file` or `command`), each option in lower case (header values, URL passwords and \
                values from the environment as `***`), `state` (`closed` or `paused`), `limit` (requests at one time), \
                `in_flight`, `queued`, `requests`, `failures`, `retries`, `loaded`, `not_modified`, `absent`, `failed` \
                (keys), `bytes` (received), `latency_ms` {`p50`, `p95`, `p99`}. Error: there is no such loader.",
        notes: "",
        ..LOADER
    };
    type Request<'a> = String;

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<String> {
        one_name(args)
    }

    fn run(_ctx: &Context<'_>, name: String) -> Verdict {
        let found = with_state(|state| {
            let loader = state.loaders.named(&name).ok_or_else(|| unknown(&name))?;
            let mut fields = described(loader);
            fields.extend(metrics::loader_fields(state, loader));
            Ok(Reply::Map(fields.into_iter().map(|(name, value)| (Reply::Text(name), value)).collect()))
        });
        found.unwrap_or_else(Reply::from).into()
    }
}

/// `WARM.LOADER TEST name key`.
pub struct Test;

impl Command for Test {
    const SPEC: Spec = Spec {
        name: "TEST",
        summary: "Makes one request for a key, and says what came back; writes nothing",
        complexity: "One origin request",
        categories: ADMIN,
        arity: 4,
        arguments: &[NAME, Argument::new("key", ArgumentKind::String)],
        reply: "Map: `url` (masked), `status`, `bytes`, `ttl_ms`, `latency_ms`, `not_modified`, `error` (why \
                nothing could be loaded from this answer, or null). Errors: `LOADFAIL` (no answer), there is no such \
                loader, its pattern does not match the key.",
        notes: "One try, without retries; it counts against the loader's `RATE`.",
        ..LOADER
    };
    type Request<'a> = (String, &'a [u8]);

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<(String, &'a [u8])> {
        let name = args.name("name")?.to_owned();
        let key = args.next("key")?;
        args.end("nothing after key")?;
        Ok((name, key))
    }

    fn run(ctx: &Context<'_>, (name, key): (String, &[u8])) -> Verdict {
        let found = with_state(|state| {
            let loader = state.loaders.named(&name).ok_or_else(|| unknown(&name))?;
            if loader.definition.pattern().matches(key).is_none() {
                let key = shown(key);
                return Err(argument(format!("key '{key}' does not match the pattern of loader '{name}'")));
            }
            Ok(Arc::clone(&loader.definition))
        });
        let definition = match found {
            Ok(definition) => definition,
            Err(refusal) => return Reply::from(refusal).into(),
        };
        let client = match waiting(ctx) {
            Ok(client) => client,
            Err(refusal) => return Reply::from(refusal).into(),
        };
        let key = Key::new(ctx.db(), key);
        state::with(|state| {
            state.runtime.probe(definition, key, Box::new(move |report| client.answer(tested(&name, report))));
        });
        Verdict::Settled
    }
}

/// `WARM.LOADER PAUSE name`.
pub struct Pause;

impl Command for Pause {
    const SPEC: Spec = Spec {
        name: "PAUSE",
        summary: "Lets a loader stand still: no request goes to its origin",
        complexity: "O(N) for N loaders",
        categories: ADMIN,
        arity: 3,
        arguments: &[NAME],
        reply: "`OK`. Error: there is no such loader.",
        notes: "Its queued keys wait; WARM.GET misses answer `PAUSED`. Requests under way end.",
        ..LOADER
    };
    type Request<'a> = String;

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<String> {
        one_name(args)
    }

    fn run(_ctx: &Context<'_>, name: String) -> Verdict {
        change(pause(&name, true))
    }
}

/// `WARM.LOADER RESUME name`.
pub struct Resume;

impl Command for Resume {
    const SPEC: Spec = Spec {
        name: "RESUME",
        summary: "Ends the pause of a loader",
        reply: "`OK`, also if the loader was not paused. Error: there is no such loader.",
        notes: "",
        ..Pause::SPEC
    };
    type Request<'a> = String;

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<String> {
        one_name(args)
    }

    fn run(_ctx: &Context<'_>, name: String) -> Verdict {
        change(pause(&name, false))
    }
}

/// `WARM.CONFIG`, which only holds its subcommand.
pub const CONFIG: Spec =
    Spec { name: "WARM.CONFIG", summary: "Commands on the warm file", categories: ADMIN, notes: "", ..LOADER };

/// `WARM.CONFIG RELOAD`.
pub struct Reload;

impl Command for Reload {
    const SPEC: Spec = Spec {
        name: "RELOAD",
        summary: "Reads the warm file again, all or nothing",
        complexity: "O(N) for N lines",
        arity: 2,
        reply: "`OK`. An error names the line that is wrong; nothing is changed then.",
        notes: "What the file defines is read-only to commands and disappears when its line does. The file is named by \
                `warm.file`.",
        ..CONFIG
    };
    type Request<'a> = ();

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<()> {
        args.end("nothing")
    }

    fn run(_ctx: &Context<'_>, (): ()) -> Verdict {
        let Some(path) = config::settings().file else {
            let none = "there is no warm file; name one with warm.file in redis.conf";
            return Reply::from(argument(none.to_owned())).into();
        };
        change(definitions::read(&path).map_err(argument).and_then(|definitions| {
            with_state(|state| {
                let line = format!("the warm file was read again, {} loaders defined by it", definitions.len());
                state.loaders.replace_file(definitions);
                log::line(Level::Notice, &line);
                Ok(())
            })
        }))
    }
}

fn one_name(args: &mut Args<'_>) -> Parsed<String> {
    let name = args.name("name")?.to_owned();
    args.end("nothing after name")?;
    Ok(name)
}

fn with_state<R>(body: impl FnOnce(&mut state::State) -> Result<R, Refusal>) -> Result<R, Refusal> {
    state::with(body).unwrap_or_else(|| Err(Refusal::not_ready()))
}

/// Ends a change of the loaders: the engine is told of it if it was made.
fn change(made: Result<(), Refusal>) -> Verdict {
    match made {
        Ok(()) => {
            state::with(state::State::publish_loaders);
            Reply::Ok.into()
        }
        Err(refusal) => Reply::from(refusal).into(),
    }
}

fn pause(name: &str, paused: bool) -> Result<(), Refusal> {
    with_state(|state| if state.loaders.pause(name, paused) { Ok(()) } else { Err(unknown(name)) })
}

fn unknown(name: &str) -> Refusal {
    argument(format!("there is no loader '{name}'"))
}

fn may_change(ctx: &Context<'_>) -> Result<(), Refusal> {
    let allowed = match config::settings().loader_commands {
        LoaderCommands::Allowed => true,
        LoaderCommands::Local => ctx.is_local(),
        LoaderCommands::Refused => false,
    };
    if allowed {
        return Ok(());
    }
    Err(Refusal::Argument(
        "loaders may not be changed by commands here; define them in the warm file, or set warm.enable-loader-commands to \
         yes, or to local for clients on a Unix socket or the loopback interface"
            .to_owned(),
    ))
}

fn described(loader: &Loader) -> Vec<(String, Reply)> {
    let source = match loader.source {
        Source::File => "file",
        Source::Command => "command",
    };
    let mut fields = vec![
        ("name".to_owned(), Reply::Text(loader.definition.name().to_owned())),
        ("source".to_owned(), Reply::Word(source)),
    ];
    let (headers, settings): (Vec<_>, Vec<_>) =
        loader.definition.shown_settings().into_iter().partition(|(name, _)| *name == "header");
    fields.extend(settings.into_iter().map(|(name, value)| (name.to_owned(), Reply::Text(value))));
    let headers = headers.into_iter().map(|(_, value)| Reply::Text(value)).collect();
    fields.push(("header".to_owned(), Reply::Array(headers)));
    fields
}

fn tested(loader: &str, report: ProbeReport) -> Reply {
    let error = report.failure.map(|failure| failure.message);
    if let (None, Some(reason)) = (report.status, error.clone()) {
        return Refusal::LoadFail { loader: loader.to_owned(), reason }.into();
    }
    Reply::record([
        ("url", Reply::Text(report.url)),
        ("status", Reply::or_null(report.status.map(Reply::count))),
        ("bytes", Reply::count(report.bytes)),
        ("ttl_ms", Reply::or_null(report.ttl.map(|ttl| Reply::count(ttl.as_millis())))),
        ("latency_ms", Reply::Double(report.latency.as_secs_f64() * 1000.0)),
        ("not_modified", Reply::Integer(i64::from(report.not_modified))),
        ("error", Reply::or_null(error.map(Reply::Text))),
    ])
}
