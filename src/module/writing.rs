//! Writing one value: what may be in the way, and the commands that do it.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::api::Context;
use super::api::call::Effect;
use super::api::context::{Held, Look};
use super::hooks;
use crate::engine::key::Key;
use crate::engine::request::{Mode, Plan, Replace};
use crate::engine::settlement::DropReason;
use crate::engine::time::Wall;
use crate::loader::fetch::Stored;

/// Why a value was not written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    /// A key of another type is in the way.
    WrongType,
    /// Nothing is wrong with the origin.
    Dropped(DropReason),
    /// The server's own error, in its words.
    Server(String),
}

/// Writes a value that lives until `until`, all of it or nothing; the bytes written. The context's database is the key's.
///
/// Only for a key whose lease holds. A key that exists although the plan asked for missing keys came in a way that fires
/// no event; it is not touched.
pub fn write(ctx: &Context<'_>, key: &Key, value: &Stored, plan: Plan, until: Wall) -> Result<u64, Refused> {
    let held = ctx.held(key.name(), Look::Peek);
    match (value, held) {
        (_, Held::Nothing)
        | (Stored::String(_), Held::String(_))
        | (Stored::Hash(_), Held::Hash)
        | (Stored::Json(_), Held::Module) => {}
        _ => return Err(Refused::WrongType),
    }
    if held != Held::Nothing && (plan.mode == Mode::Missing || plan.replace == Replace::Never) {
        return Err(Refused::Dropped(DropReason::Superseded));
    }
    hooks::writing(key, || match value {
        Stored::String(bytes) => {
            ctx.set_until(key.name(), bytes, until).map_err(refused)?;
            Ok(bytes.len() as u64)
        }
        Stored::Hash(fields) => write_hash(ctx, key.name(), fields, held, until),
        Stored::Json(document) => {
            ctx.call(c"JSON.SET", Effect::Write, &[key.name(), b"$", document]).map_err(refused)?;
            expire(ctx, key.name(), until).map_err(refused)?;
            Ok(document.len() as u64)
        }
    })
}

/// Gives the key a new end of life; false if it is not there.
pub fn renew(ctx: &Context<'_>, key: &Key, until: Wall) -> Result<bool, String> {
    hooks::writing(key, || expire(ctx, key.name(), until))
}

/// Replaces the whole hash: first the new fields, which the server may refuse for want of memory, and only then are the
/// others taken away. The slice's writes travel as one transaction, and nobody runs between them.
fn write_hash(
    ctx: &Context<'_>,
    name: &[u8],
    fields: &[(Bytes, Bytes)],
    held: Held,
    until: Wall,
) -> Result<u64, Refused> {
    let before = match held {
        Held::Hash => Some(ctx.call(c"HKEYS", Effect::Read, &[name]).map_err(refused)?),
        _ => None,
    };
    let mut args: Vec<&[u8]> = Vec::with_capacity(1 + 2 * fields.len());
    args.push(name);
    args.extend(fields.iter().flat_map(|(field, value)| [field.as_ref(), value.as_ref()]));
    ctx.call(c"HSET", Effect::Write, &args).map_err(refused)?;
    if let Some(before) = &before {
        let new: BTreeSet<&[u8]> = fields.iter().map(|(field, _)| field.as_ref()).collect();
        let gone = before.strings().into_iter().filter(|field| !new.contains(field));
        let args: Vec<&[u8]> = std::iter::once(name).chain(gone).collect();
        if args.len() > 1 {
            ctx.call(c"HDEL", Effect::Write, &args).map_err(refused)?;
        }
    }
    expire(ctx, name, until).map_err(refused)?;
    Ok(fields.iter().map(|(field, value)| (field.len() + value.len()) as u64).sum())
}

fn expire(ctx: &Context<'_>, name: &[u8], until: Wall) -> Result<bool, String> {
    let at = until.as_millis().to_string();
    let answer = ctx.call(c"PEXPIREAT", Effect::Write, &[name, at.as_bytes()])?;
    Ok(answer.integer() == Some(1))
}

fn refused(error: String) -> Refused {
    if error.starts_with("OOM") {
        Refused::Dropped(DropReason::OutOfMemory)
    } else if error.contains("non local key") || error.starts_with("MOVED") || error.starts_with("CLUSTERDOWN") {
        Refused::Dropped(DropReason::NotOurs)
    } else {
        Refused::Server(error)
    }
}
