//! Tells the server of our commands: their callbacks, flags, key positions, ACL categories, and what `COMMAND DOCS` says.
//!
//! Everything comes from one table of [`Entry`]. The server copies all that it is told, so nothing stays allocated here.

use std::ffi::CString;
use std::os::raw::{c_char, c_int};
use std::ptr::{self, NonNull};

use super::api::{Context, api, raw};
use super::categories::Categories;
use super::commands::spec::{Access, Argument, ArgumentKind, Keys, Spec};

/// Which layout of the structures below we speak. The sizes let newer servers read older modules.
static LAYOUT: raw::RedisModuleCommandInfoVersion = raw::RedisModuleCommandInfoVersion {
    version: 1,
    sizeof_historyentry: size_of::<raw::RedisModuleCommandHistoryEntry>(),
    sizeof_keyspec: size_of::<raw::RedisModuleCommandKeySpec>(),
    sizeof_arg: size_of::<raw::RedisModuleCommandArg>(),
};

/// One command of the table, or one subcommand.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What the server and the documents are told.
    pub spec: Spec,
    /// Its callback; `None` for a command that only holds subcommands: the server itself then refuses an unknown one.
    pub handler: raw::RedisModuleCmdFunc,
    /// Its subcommands. They have none of their own.
    pub children: &'static [Entry],
}

/// Registers every command of `table`. Only while the module is being loaded, and once.
///
/// An error says which command the server refused, and why; loading should then fail.
pub fn register(ctx: &Context<'_>, table: &[Entry]) -> Result<(), String> {
    let categories = Categories::new(ctx)?;
    for entry in table {
        let name = text(&entry.spec.name.to_ascii_lowercase())?;
        let flags = flags(&entry.spec)?;
        let create = api!(RedisModule_CreateCommand);
        // SAFETY: a valid context, C strings that outlive the call (the server copies them), a callback of this library.
        let created = unsafe { create(ctx.raw(), name.as_ptr(), entry.handler, flags.as_ptr(), 0, 0, 0) };
        accepted(created, entry.spec.name, "the name is taken or a flag is unknown")?;
        let command = Registered::find(ctx, &name)?;
        command.describe(&entry.spec, Level::Command)?;
        command.categorise(&categories, &entry.spec)?;
        for child in entry.children {
            command.adopt(ctx, &categories, &entry.spec, child)?;
        }
    }
    Ok(())
}

/// Answers the server's question which of a command's `words` (its name among them) are keys. Whether that was the
/// question: if so, the command must do nothing else. Only commands with [`Keys::AllUntil`] are ever asked.
pub fn answer_key_positions(ctx: &Context<'_>, words: &[&[u8]], spec: &Spec) -> bool {
    let asked = api!(RedisModule_IsKeysPositionRequest);
    // SAFETY: a valid context.
    if (unsafe { asked(ctx.raw()) }) == 0 {
        return false;
    }
    let flags = spec.keys.access().map_or(0, access_flags);
    let keys = spec.keys.count(words.get(1..).unwrap_or(&[]));
    let at = api!(RedisModule_KeyAtPosWithFlags);
    for position in 1..=keys {
        // SAFETY: a valid context, within a key position request; the position is one of the words'.
        unsafe { at(ctx.raw(), position as c_int, flags.cast_signed()) };
    }
    true
}

/// Whether a description belongs to a command or a subcommand: where its arguments begin.
#[derive(Clone, Copy)]
enum Level {
    Command,
    Subcommand,
}

/// A command that the server knows. It belongs to the server and lives as long as the module is loaded.
struct Registered {
    raw: NonNull<raw::RedisModuleCommand>,
}

impl Registered {
    fn find(ctx: &Context<'_>, name: &CString) -> Result<Registered, String> {
        let find = api!(RedisModule_GetCommand);
        // SAFETY: a valid context and a C string.
        let raw = unsafe { find(ctx.raw(), name.as_ptr()) };
        let raw = NonNull::new(raw).ok_or_else(|| format!("command {} cannot be found", name.to_string_lossy()))?;
        Ok(Registered { raw })
    }

    fn adopt(&self, ctx: &Context<'_>, categories: &Categories, parent: &Spec, child: &Entry) -> Result<(), String> {
        if matches!(child.spec.keys, Keys::AllUntil(..)) {
            return Err(format!("subcommand {} {}: keys up to an option word", parent.name, child.spec.name));
        }
        let name = text(&child.spec.name.to_ascii_lowercase())?;
        let flags = flags(&child.spec)?;
        let create = api!(RedisModule_CreateSubcommand);
        // SAFETY: a live command without callback, C strings that outlive the call, a callback of this library.
        let created = unsafe { create(self.raw.as_ptr(), name.as_ptr(), child.handler, flags.as_ptr(), 0, 0, 0) };
        accepted(created, child.spec.name, "the name is taken, a flag is unknown, or its command has a callback")?;
        let full = text(&format!("{}|{}", parent.name, child.spec.name).to_ascii_lowercase())?;
        let command = Registered::find(ctx, &full)?;
        command.describe(&child.spec, Level::Subcommand)?;
        command.categorise(categories, &child.spec)
    }

    fn describe(&self, spec: &Spec, level: Level) -> Result<(), String> {
        let mut parts = Parts::default();
        let mut key_specs = key_specs(spec.keys, level);
        let info = raw::RedisModuleCommandInfo {
            version: &raw const LAYOUT,
            summary: parts.text(spec.summary)?,
            complexity: parts.text(spec.complexity)?,
            since: parts.text(spec.since)?,
            history: ptr::null_mut(),
            tips: ptr::null(),
            arity: spec.arity,
            key_specs: key_specs.as_mut_ptr(),
            args: parts.arguments(spec.arguments, spec.keys)?,
        };
        let set = api!(RedisModule_SetCommandInfo);
        // SAFETY: a live command; every pointer leads into `parts` or `key_specs`, which outlive the call and end in the
        // zeroed elements that the server stops at; the server copies all of it.
        let set = unsafe { set(self.raw.as_ptr(), &raw const info) };
        accepted(set, spec.name, "its description is not understood")
    }

    fn categorise(&self, categories: &Categories, spec: &Spec) -> Result<(), String> {
        if categories.assign(self.raw, spec.categories) {
            return Ok(());
        }
        Err(format!("the server refused command {}: an ACL category is unknown", spec.name))
    }
}

/// The owned parts of a description, alive until the server has copied them.
#[derive(Default)]
struct Parts {
    texts: Vec<CString>,
    arguments: Vec<Vec<raw::RedisModuleCommandArg>>,
}

impl Parts {
    /// A C string; null for an empty one.
    fn text(&mut self, words: &str) -> Result<*const c_char, String> {
        if words.is_empty() {
            return Ok(ptr::null());
        }
        let owned = text(words)?;
        let start = owned.as_ptr();
        self.texts.push(owned);
        Ok(start)
    }

    /// An array that ends in an argument without a name; null for none.
    fn arguments(&mut self, arguments: &[Argument], keys: Keys) -> Result<*mut raw::RedisModuleCommandArg, String> {
        if arguments.is_empty() {
            return Ok(ptr::null_mut());
        }
        let mut all = Vec::with_capacity(arguments.len() + 1);
        for argument in arguments {
            all.push(self.argument(argument, keys)?);
        }
        all.push(argument_of(ptr::null(), raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_STRING));
        let start = all.as_mut_ptr();
        self.arguments.push(all);
        Ok(start)
    }

    fn argument(&mut self, argument: &Argument, keys: Keys) -> Result<raw::RedisModuleCommandArg, String> {
        let kind = match argument.kind {
            // A key that no key specification covers: the command checks it itself, and clients must not route by it.
            ArgumentKind::Key if keys == Keys::None => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_STRING,
            ArgumentKind::Key => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_KEY,
            ArgumentKind::String => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_STRING,
            ArgumentKind::Integer => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_INTEGER,
            ArgumentKind::Double => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_DOUBLE,
            ArgumentKind::Pattern => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_PATTERN,
            ArgumentKind::Token => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_PURE_TOKEN,
            ArgumentKind::OneOf(_) => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_ONEOF,
            ArgumentKind::Block(_) => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_BLOCK,
        };
        let mut described = argument_of(self.text(argument.name)?, kind);
        described.token = self.text(argument.token)?;
        let optional = if argument.optional { raw::REDISMODULE_CMD_ARG_OPTIONAL } else { 0 };
        let multiple = if argument.multiple { raw::REDISMODULE_CMD_ARG_MULTIPLE } else { 0 };
        described.flags = (optional | multiple).cast_signed();
        if let ArgumentKind::OneOf(parts) | ArgumentKind::Block(parts) = argument.kind {
            described.subargs = self.arguments(parts, keys)?;
        }
        Ok(described)
    }
}

/// An argument with nothing but name and kind; our key arguments all belong to the first key specification.
fn argument_of(name: *const c_char, kind: raw::RedisModuleCommandArgType) -> raw::RedisModuleCommandArg {
    raw::RedisModuleCommandArg {
        name,
        type_: kind,
        key_spec_index: 0,
        token: ptr::null(),
        summary: ptr::null(),
        since: ptr::null(),
        flags: 0,
        deprecated_since: ptr::null(),
        subargs: ptr::null_mut(),
        display_text: ptr::null(),
    }
}

/// The key specification and the element that ends the list.
fn key_specs(keys: Keys, level: Level) -> [raw::RedisModuleCommandKeySpec; 2] {
    let first = match level {
        Level::Command => 1,
        Level::Subcommand => 2,
    };
    // "Incomplete" makes the server ask `answer_key_positions`: no key specification can say "up to this word".
    let (last, extra) = match keys {
        Keys::None | Keys::First(_) => (0, 0),
        Keys::AllUntil(..) => (0, raw::REDISMODULE_CMD_KEY_INCOMPLETE),
        Keys::All(_) => (-1, 0),
    };
    let begin = match keys.access() {
        Some(_) => raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_INDEX,
        None => raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_INVALID,
    };
    let spec = |begin, flags: u32| raw::RedisModuleCommandKeySpec {
        notes: ptr::null(),
        flags: u64::from(flags),
        begin_search_type: begin,
        bs: raw::RedisModuleCommandKeySpec__bindgen_ty_1 {
            index: raw::RedisModuleCommandKeySpec__bindgen_ty_1__bindgen_ty_1 { pos: first },
        },
        find_keys_type: raw::RedisModuleKeySpecFindKeysType_REDISMODULE_KSPEC_FK_RANGE,
        fk: raw::RedisModuleCommandKeySpec__bindgen_ty_2 {
            range: raw::RedisModuleCommandKeySpec__bindgen_ty_2__bindgen_ty_1 { lastkey: last, keystep: 1, limit: 0 },
        },
    };
    let end = raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_INVALID;
    [spec(begin, keys.access().map_or(0, access_flags) | extra), spec(end, 0)]
}

fn access_flags(access: Access) -> u32 {
    match access {
        Access::Read => raw::REDISMODULE_CMD_KEY_RO | raw::REDISMODULE_CMD_KEY_ACCESS,
        Access::Look => raw::REDISMODULE_CMD_KEY_RO,
        Access::Write => raw::REDISMODULE_CMD_KEY_OW | raw::REDISMODULE_CMD_KEY_UPDATE,
    }
}

fn flags(spec: &Spec) -> Result<CString, String> {
    match spec.keys {
        Keys::AllUntil(..) => text(format!("{} getkeys-api", spec.flags).trim_start()),
        Keys::None | Keys::First(_) | Keys::All(_) => text(spec.flags),
    }
}

fn text(words: &str) -> Result<CString, String> {
    CString::new(words).map_err(|_| format!("the text '{}' has a NUL byte", words.escape_default()))
}

fn accepted(result: c_int, name: &str, why: &str) -> Result<(), String> {
    if result == raw::REDISMODULE_OK as c_int {
        return Ok(());
    }
    Err(format!("the server refused command {name}: {why}"))
}
