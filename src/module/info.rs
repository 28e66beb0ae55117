//! `INFO warm`: the figures as flat fields.

use std::ffi::CString;
use std::os::raw::{c_char, c_int, c_longlong};

use super::api::{Context, api, raw};
use super::entry;
use super::metrics::{Fields, Figure, Metrics};
use super::state;

/// Registers the section.
pub fn register(ctx: &Context<'_>) -> Result<(), String> {
    let register = api!(RedisModule_RegisterInfoFunc);
    // SAFETY: the load context; the callback lives as long as the library.
    if unsafe { register(ctx.raw(), Some(info)) } != raw::REDISMODULE_OK as c_int {
        return Err("the server refused the INFO section".to_owned());
    }
    Ok(())
}

unsafe extern "C" fn info(ctx: *mut raw::RedisModuleInfoCtx, for_crash_report: c_int) {
    // In a crash the state may be half changed, and nobody needs our figures.
    if for_crash_report != 0 {
        return;
    }
    entry::door("INFO", (), || {
        let Some(metrics) = state::with(|state| Metrics::take(state)) else { return };
        let add = api!(RedisModule_InfoAddSection);
        // SAFETY: the server's info context; an empty name makes the section bear the module's.
        if unsafe { add(ctx, c"".as_ptr()) } != raw::REDISMODULE_OK as c_int {
            return;
        }
        fields(ctx, "", &metrics.warming);
        fields(ctx, "prediction_", &metrics.prediction);
        fields(ctx, "hits_", &metrics.hits);
        for (name, figures) in &metrics.loaders {
            fields(ctx, &format!("loader_{name}_"), figures);
        }
        fields(ctx, "memory_", &metrics.memory);
        fields(ctx, "threads_", &metrics.threads);
    });
}

fn fields(ctx: *mut raw::RedisModuleInfoCtx, prefix: &str, fields: &Fields) {
    fields.iter().for_each(|(name, figure)| field(ctx, format!("{prefix}{name}"), figure));
}

fn field(ctx: *mut raw::RedisModuleInfoCtx, name: String, figure: &Figure) {
    if let Figure::Group(inner) = figure {
        return fields(ctx, &(name + "_"), inner);
    }
    let Ok(name) = CString::new(name) else { return };
    match figure {
        Figure::Count(n) => signed(ctx, name.as_ptr(), i64::try_from(*n).unwrap_or(i64::MAX)),
        Figure::Signed(n) => signed(ctx, name.as_ptr(), *n),
        Figure::Real(x) => real(ctx, name.as_ptr(), *x),
        Figure::Word(word) => text(ctx, name.as_ptr(), word),
        // Fields do not come and go: what is not measured is no number.
        Figure::Unknown | Figure::Group(_) => text(ctx, name.as_ptr(), "nan"),
    }
}

fn signed(ctx: *mut raw::RedisModuleInfoCtx, name: *const c_char, n: i64) {
    let add = api!(RedisModule_InfoAddFieldLongLong);
    // SAFETY: the info context of the running callback and a C string.
    let _ = unsafe { add(ctx, name, c_longlong::from(n)) };
}

fn real(ctx: *mut raw::RedisModuleInfoCtx, name: *const c_char, x: f64) {
    let add = api!(RedisModule_InfoAddFieldDouble);
    // SAFETY: the info context of the running callback and a C string.
    let _ = unsafe { add(ctx, name, x) };
}

fn text(ctx: *mut raw::RedisModuleInfoCtx, name: *const c_char, word: &str) {
    let Ok(word) = CString::new(word) else { return };
    let add = api!(RedisModule_InfoAddFieldCString);
    // SAFETY: the info context of the running callback and C strings.
    let _ = unsafe { add(ctx, name, word.as_ptr()) };
}
