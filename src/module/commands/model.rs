//! `WARM.MODEL`: how well prediction does, and where models come from.

use super::predict::{at_once, foretell};
use super::spec::{Argument, ArgumentKind, Keys, Spec};
use super::{Command, Verdict};
use crate::module::api::Context;
use crate::module::args::{Args, Parsed, argument};
use crate::module::prediction::{Question, records, rows};

/// The largest blob that is read, in bytes.
const MOST_BLOB: usize = 16 << 20;

const ADMIN: &str = "admin dangerous";

/// `WARM.MODEL`, which only holds its subcommands.
pub const MODEL: Spec = Spec {
    name: "WARM.MODEL",
    summary: "Commands on the models that foretell demand",
    complexity: "Depends on the subcommand",
    since: "0.1.0",
    flags: "readonly",
    categories: "",
    arity: -2,
    keys: Keys::None,
    arguments: &[],
    reply: "",
    notes: "A model is trained by itself every `warm.train-interval`.",
};

const INFO_REPLY: &str = "Map: `kind` (`none`, `linear`, `boosted`), `version` (0: none), `trained_at` (Unix ms), `samples` \
    (gathered), `features` (that it looks at), `accuracy` (balanced: the mean of the shares of hot and of other keys that were \
    called so), `baseline_accuracy` (the same of persistence: the next horizon will be as the last), `precision`, `recall`, \
    `f1`, `pr_auc` (average precision of the ranking), `coverage` (requests on the predicted hottest keys, as a share of those \
    on the true ones), `calibration_error`, `training_ms`, `bytes`, `windows` (horizons that were scored). What was not \
    measured yet is null.";

/// `WARM.MODEL INFO`.
pub struct Info;

impl Command for Info {
    const SPEC: Spec = Spec {
        name: "INFO",
        summary: "Returns how well prediction does, measured on later traffic than the model was trained on",
        complexity: "O(1)",
        arity: 2,
        reply: INFO_REPLY,
        notes: "Keys are scored horizon by horizon: what was foretold at its beginning against what came. Inside MULTI or a \
                script the figures may be some 100 ms old.",
        ..MODEL
    };
    type Request<'a> = ();

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<()> {
        args.end("nothing")
    }

    fn run(ctx: &Context<'_>, (): ()) -> Verdict {
        if ctx.may_block() {
            return foretell(ctx, Question::Info);
        }
        at_once(|state| Ok(records::model(&state.engine_stats.load().foresight.model)))
    }
}

/// `WARM.MODEL EVAL`.
pub struct Eval;

impl Command for Eval {
    const SPEC: Spec = Spec {
        name: "EVAL",
        summary: "Returns how well prediction does, with all horizons that have ended until now",
        notes: "The same record as INFO: horizons are scored as they end, so there is nothing that could be measured beyond it.",
        ..Info::SPEC
    };
    type Request<'a> = ();

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<()> {
        args.end("nothing")
    }

    fn run(ctx: &Context<'_>, (): ()) -> Verdict {
        Info::run(ctx, ())
    }
}

/// `WARM.MODEL TRAIN [ROWS json]`.
pub struct Train;

impl Command for Train {
    const SPEC: Spec = Spec {
        name: "TRAIN",
        summary: "Trains a model now, or teaches rows of the caller's",
        complexity: "O(N) for N samples or rows, on a thread of low priority",
        flags: "",
        categories: ADMIN,
        arity: -2,
        arguments: &[Argument::option("json", "ROWS", ArgumentKind::String)],
        reply: "Map: `trained` (1), `adopted` (1, or 0 if the model in use or persistence does better on later traffic), `kind`, \
                `version`, `samples`, `training_ms`. With `ROWS` also `rows` (given) and `taken` (of them); `trained` \
                is 0 if a training was going on or there was too little to learn from: the rows are learned from with the \
                next. Errors: too few samples; the row that is wrong, and nothing is changed then; \
                `QUEUEFULL`.",
        notes: "The client waits for the end, up to some seconds; others are served meanwhile. `ROWS` is a JSON array of \
                `{\"features\":{\"name\":number},\"requests\":number}`, at most 8 MiB and 100000 rows: what keys are like, as in the \
                `FEATURES` of WARM.PREDICT, and how many requests one got in a horizon. They teach what is expected of keys \
                without a history; rows that all have the same requests are taken, and teach that features say nothing.",
        ..MODEL
    };
    type Request<'a> = Option<&'a [u8]>;

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<Option<&'a [u8]>> {
        if !args.option("ROWS") {
            args.end("ROWS")?;
            return Ok(None);
        }
        let json = args.next("ROWS")?;
        args.end("nothing after ROWS")?;
        within(json, "ROWS", rows::MOST_BYTES).map(Some)
    }

    fn run(ctx: &Context<'_>, json: Option<&[u8]>) -> Verdict {
        foretell(ctx, json.map_or(Question::Train, |json| Question::Teach(json.to_vec())))
    }
}

/// `WARM.MODEL EXPORT`.
pub struct Export;

impl Command for Export {
    const SPEC: Spec = Spec {
        name: "EXPORT",
        summary: "Returns the models in use as a blob, for IMPORT on another server",
        complexity: "O(N) for N bytes",
        arity: 2,
        reply: "Bulk string: the blob, versioned and with a checksum. Null: there is no model.",
        notes: "It holds no key.",
        ..MODEL
    };
    type Request<'a> = ();

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<()> {
        args.end("nothing")
    }

    fn run(ctx: &Context<'_>, (): ()) -> Verdict {
        foretell(ctx, Question::Export)
    }
}

/// `WARM.MODEL IMPORT blob`.
pub struct Import;

impl Command for Import {
    const SPEC: Spec = Spec {
        name: "IMPORT",
        summary: "Replaces the models by those of a blob",
        complexity: "O(N) for N bytes",
        flags: "",
        categories: ADMIN,
        arity: 3,
        arguments: &[Argument::new("blob", ArgumentKind::String)],
        reply: "`OK`. Error: why it is not a model of this version or an older one; nothing is changed then.",
        notes: "Weights of one site's traffic rarely suit another's: the models are scored here from the next horizon on, and \
                replaced by the first that does better.",
        ..MODEL
    };
    type Request<'a> = &'a [u8];

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<&'a [u8]> {
        let blob = args.next("blob")?;
        args.end("nothing after blob")?;
        within(blob, "blob", MOST_BLOB)
    }

    fn run(ctx: &Context<'_>, blob: &[u8]) -> Verdict {
        foretell(ctx, Question::Import(blob.to_vec()))
    }
}

/// `WARM.MODEL RESET`.
pub struct Reset;

impl Command for Reset {
    const SPEC: Spec = Spec {
        name: "RESET",
        summary: "Forgets the models and the samples; what is known of keys stays",
        complexity: "O(N) for N samples",
        flags: "",
        categories: ADMIN,
        arity: 2,
        reply: "`OK`.",
        notes: "",
        ..MODEL
    };
    type Request<'a> = ();

    fn parse<'a>(args: &mut Args<'a>) -> Parsed<()> {
        args.end("nothing")
    }

    fn run(ctx: &Context<'_>, (): ()) -> Verdict {
        foretell(ctx, Question::Reset)
    }
}

fn within<'a>(bytes: &'a [u8], what: &str, most: usize) -> Parsed<&'a [u8]> {
    if bytes.len() <= most {
        return Ok(bytes);
    }
    Err(argument(format!("{what} is {} bytes long, at most {most} are allowed", bytes.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_or_too_much_is_refused() {
        let long = vec![b' '; rows::MOST_BYTES + 1];
        let words: [&[u8]; 2] = [b"rows", &long];
        let error = Train::parse(&mut Args::new(&words)).unwrap_err().to_string();
        assert_eq!(error, "ERR ROWS is 8388609 bytes long, at most 8388608 are allowed");
        let words: [&[u8]; 3] = [b"ROWS", b"[]", b"x"];
        assert!(Train::parse(&mut Args::new(&words)).is_err());
        assert_eq!(Train::parse(&mut Args::new(&words[..2])).unwrap(), Some(&b"[]"[..]));
        assert_eq!(Train::parse(&mut Args::new(&[])).unwrap(), None);
        assert_eq!(
            Train::parse(&mut Args::new(&words[1..])).unwrap_err().to_string(),
            "ERR unknown option '[]', allowed: ROWS"
        );
        assert_eq!(Train::parse(&mut Args::new(&words[..1])).unwrap_err().to_string(), "ERR ROWS is missing");
    }
}
