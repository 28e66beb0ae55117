//! The one door: every callback of the server's enters here. A panic behind it is one error reply, one log line and one
//! count; it never reaches the server.

use std::os::raw::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use super::api::context::bytes_of;
use super::api::log::{self, Level};
use super::api::{Context, raw};
use super::args::Args;
use super::commands::spec::Keys;
use super::commands::{Command, Verdict};
use super::register;
use super::reply::Reply;

static PANICS: AtomicU64 = AtomicU64::new(0);

/// Panics caught since the library was mapped, on any thread.
pub fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// Counts and logs a panic that was caught at `place`.
pub fn note_panic(place: &str) {
    PANICS.fetch_add(1, Ordering::Relaxed);
    log::line(Level::Warning, &format!("internal error in {place}: a panic was caught; please report it"));
}

/// Runs `body`; if it panics, notes the panic and gives `fallback`.
pub fn door<R>(place: &'static str, fallback: R, body: impl FnOnce() -> R) -> R {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(result) => result,
        Err(_) => {
            note_panic(place);
            fallback
        }
    }
}

/// The callback of command `C`: parse, then run, then reply.
///
/// # Safety
/// Only for the server: a valid context and `argc` live strings at `argv`.
pub unsafe extern "C" fn command<C: Command>(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    let count = usize::try_from(argc).unwrap_or(0);
    // SAFETY: the server passes `argc` live strings at `argv`, which stay as they are until this callback returns.
    let strings = unsafe { std::slice::from_raw_parts(argv, count) };
    // SAFETY: the server gives a valid context for the time of this call, and these are the command's words.
    let ctx = unsafe { Context::of_command(ctx, strings) };
    let verdict = door(C::SPEC.name, None, || {
        // SAFETY: each is a live string, unchanged until this callback returns.
        let word = |string: &*mut raw::RedisModuleString| unsafe { bytes_of(*string) };
        if let [name, key] = strings {
            // The shortest form of the hottest commands, without a vector.
            return Some(carry_out::<C>(&ctx, &[word(name), word(key)]));
        }
        let words: Vec<&[u8]> = strings.iter().map(word).collect();
        Some(carry_out::<C>(&ctx, &words))
    });
    let verdict = verdict.unwrap_or_else(|| Reply::Error("ERR internal error, see the log".to_owned()).into());
    if let Verdict::Reply(reply) = verdict {
        door("reply", (), || reply.send(&ctx));
    }
    raw::REDISMODULE_OK as c_int
}

fn carry_out<C: Command>(ctx: &Context<'_>, words: &[&[u8]]) -> Verdict {
    if matches!(C::SPEC.keys, Keys::AllUntil(..)) && register::answer_key_positions(ctx, words, &C::SPEC) {
        return Verdict::Settled;
    }
    let names = if C::SPEC.name.contains('.') { 1 } else { 2 };
    let arguments = words.get(names..).unwrap_or(&[]);
    C::secrets(arguments).into_iter().for_each(|place| ctx.redact(names + place));
    match C::parse(&mut Args::new(arguments)) {
        Ok(request) => C::run(ctx, request),
        Err(refusal) => Verdict::Reply(refusal.into()),
    }
}
