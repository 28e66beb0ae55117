//! ACL categories: which our commands are in, and which rules stand in the way of unloading.
//!
//! Servers have categories for modules from Redis 7.4 and Valkey 8 on. When a module is unloaded, Redis from 7.2 on
//! applies every user's rules anew and ends itself at a rule that names a command or category that is gone (Valkey
//! 9.1 refuses to unload instead, valkey issue 2797). So we look first, and refuse.

use std::ffi::CString;
use std::io;
use std::os::raw::{c_char, c_int};
use std::ptr::NonNull;

use super::api::call::Effect;
use super::api::{Context, raw};
use super::args::shown;

/// The category of all our commands.
const CATEGORY: &str = "warm";

/// How the names of all our commands begin, in lower case.
const PREFIX: &[u8] = b"warm.";

type Set = unsafe extern "C" fn(*mut raw::RedisModuleCommand, *const c_char) -> c_int;

/// The server's categories for modules, where it has them.
#[derive(Debug)]
pub struct Categories {
    set: Option<Set>,
}

impl Categories {
    /// Makes `@warm` known. Only while the module is being loaded.
    pub fn new(ctx: &Context<'_>) -> Result<Categories, String> {
        // SAFETY: written once in OnLoad, only read later.
        let add = unsafe { raw::RedisModule_AddACLCategory };
        let Some(add) = add else { return Ok(Categories { set: None }) };
        let name = CString::new(CATEGORY).map_err(|error| error.to_string())?;
        // SAFETY: a valid context of a module that is being loaded, and a C string, which the server copies.
        if (unsafe { add(ctx.raw(), name.as_ptr()) }) != raw::REDISMODULE_OK as c_int {
            let reason = io::Error::last_os_error();
            if reason.raw_os_error() != Some(libc::EBUSY) {
                return Err(format!("the server refused the ACL category @{CATEGORY}: {reason}"));
            }
        }
        Ok(Categories { set: setter() })
    }

    /// Puts a command into `@warm` and into `others` (blank-separated); nothing on servers without categories for
    /// modules. `command` must be one of the module that is being loaded. Whether the server agreed.
    pub fn assign(&self, command: NonNull<raw::RedisModuleCommand>, others: &str) -> bool {
        let Some(set) = self.set else { return true };
        let Ok(categories) = CString::new(format!("{CATEGORY} {others}").trim_end()) else { return false };
        // SAFETY: a live command of ours (the caller's promise; the server keeps commands while the module is loaded),
        // and a C string that the server only reads.
        (unsafe { set(command.as_ptr(), categories.as_ptr()) }) == raw::REDISMODULE_OK as c_int
    }
}

/// Why unloading the module now would end the server, if it would. To be asked first in OnUnload.
pub fn unload_obstacle(ctx: &Context<'_>) -> Option<String> {
    setter()?;
    let users = match ctx.call(c"ACL", Effect::Read, &[b"LIST"]) {
        Ok(users) => users,
        Err(error) => return Some(format!("cannot unload: the ACL users cannot be listed ({error})")),
    };
    let rules = users.strings().into_iter().find(|rules| names_us(rules))?;
    let user = rules.split(|byte| *byte == b' ').nth(1).unwrap_or(&[]);
    Some(format!(
        "cannot unload: the rules of ACL user '{}' name a command of this module or @{CATEGORY}; remove them first, with \
         ACL SETUSER or ACL DELUSER",
        shown(user)
    ))
}

/// Whether a line of `ACL LIST` has a rule for one of our commands or our category.
fn names_us(rules: &[u8]) -> bool {
    rules.split(|byte| matches!(byte, b' ' | b'(' | b')')).any(|rule| match rule {
        [b'+' | b'-', b'@', category @ ..] => category.eq_ignore_ascii_case(CATEGORY.as_bytes()),
        [b'+' | b'-', command @ ..] => {
            command.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
        }
        _ => false,
    })
}

fn setter() -> Option<Set> {
    // SAFETY: written once in OnLoad, only read later.
    unsafe { raw::RedisModule_SetCommandACLCategories }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_for_our_commands_are_found_in_selectors_too() {
        for rules in [
            "user a on nopass ~* &* -@all +@warm",
            "user a on nopass ~* -@all +WARM.GET",
            "user a on ~* +@all -warm.loader|set",
            "user a on -@all (~b* -@all +warm.get)",
            "user a on -@all (+@warm)",
        ] {
            assert!(names_us(rules.as_bytes()), "{rules}");
        }
        for rules in
            ["user default on nopass ~* &* +@all", "user warm.get on ~+warm.x &warm.* -@all +get", "", "+ - +@"]
        {
            assert!(!names_us(rules.as_bytes()), "{rules}");
        }
    }
}
