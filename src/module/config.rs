//! The directives as the server sees them: registration, and the values behind `CONFIG GET`, `SET` and `REWRITE`.
//!
//! Numbers live in atomics. Texts belong to the main thread, each beside the string that the server is given for it:
//! the server does not free what a getter returns, so one string serves all calls. A change bumps [`generation`]; who
//! keeps a copy of [`settings`] compares it and reads again.

use std::cell::RefCell;
use std::ffi::CString;
use std::mem::ManuallyDrop;
use std::os::raw::{c_char, c_int, c_longlong, c_uint, c_void};
use std::ptr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::api::context::{ServerString, bytes_of};
use super::api::{Context, api, raw};
use super::args::shown;
use super::directives::{COUNT, Change, Directive, Kind, Raw, Settings, TABLE, span_read, span_written};
use super::entry::door;

/// Relaxed: each number stands for itself, and only the main thread writes them.
static NUMBERS: [AtomicI64; COUNT] = [const { AtomicI64::new(0) }; COUNT];
/// Relaxed: written after the value on the same thread that reads both.
static GENERATION: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Texts by their place in the table. Only the main thread's copy is ever filled: the server calls back there.
    static TEXTS: RefCell<[Option<Text>; COUNT]> = const { RefCell::new([const { None }; COUNT]) };
}

/// A text, and the same as a string of the server's.
struct Text {
    value: String,
    served: ServerString,
}

/// Registers every directive and takes over the values of redis.conf, `MODULE LOADEX` or the defaults. Only while the
/// module is being loaded, and once; [`settings`] is meaningful from here on.
///
/// An error says which directive failed; loading should then fail. The server's log has said why.
pub fn register(ctx: &Context<'_>) -> Result<(), String> {
    for (place, directive) in TABLE.iter().enumerate() {
        NUMBERS[place].store(directive.kind.default_number(), Ordering::Relaxed);
        let name = CString::new(directive.name).map_err(|_| format!("directive {}: a NUL byte", directive.name))?;
        if registered(ctx, place, directive, &name)? != raw::REDISMODULE_OK as c_int {
            return Err(format!("the server refused the directive warm.{}", directive.name));
        }
    }
    let load = api!(RedisModule_LoadConfigs);
    // SAFETY: a valid context of a module that is being loaded.
    if (unsafe { load(ctx.raw()) }) != raw::REDISMODULE_OK as c_int {
        return Err("a warm.* directive has a value that is not allowed".to_owned());
    }
    Ok(())
}

/// Refuses words after the library's path: the module takes none.
pub fn refuse_arguments(words: &[&[u8]]) -> Result<(), String> {
    match words.first() {
        None => Ok(()),
        Some(word) => Err(format!(
            "the module takes no arguments, but was given '{}'; write directives such as 'warm.queue-length 100000' on \
             lines of their own in redis.conf, or use MODULE LOADEX path CONFIG warm.queue-length 100000",
            shown(word)
        )),
    }
}

/// What the directives say now. Main thread only; costs a copy of the texts.
pub fn settings() -> Settings {
    let texts = TEXTS.with_borrow(|texts| {
        std::array::from_fn(|place| texts[place].as_ref().map_or_else(String::new, |text| text.value.clone()))
    });
    let numbers = std::array::from_fn(|place| NUMBERS[place].load(Ordering::Relaxed));
    Settings::new(&Raw { numbers, texts })
}

/// A number that grows whenever a directive is set, also to the value it has.
pub fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

fn registered(ctx: &Context<'_>, place: usize, directive: &Directive, name: &CString) -> Result<c_int, String> {
    let change = match directive.change {
        Change::AnyTime => raw::REDISMODULE_CONFIG_DEFAULT,
        Change::AtLoad => raw::REDISMODULE_CONFIG_IMMUTABLE,
    };
    let default = directive.kind.default_number();
    let private = ptr::without_provenance_mut(place);
    let name = name.as_ptr();
    Ok(match directive.kind {
        Kind::Integer { min, max, .. } | Kind::Percent { min, max, .. } => {
            register_number(ctx, name, change, (default, min, max), private)
        }
        Kind::Size { min, max, .. } => {
            register_number(ctx, name, change | raw::REDISMODULE_CONFIG_MEMORY, (default, min, max), private)
        }
        Kind::Bool { .. } => {
            let add = api!(RedisModule_RegisterBoolConfig);
            // SAFETY: a valid context, a C string that the server copies, callbacks of this library that read `private`
            // as a place in the table and never as an address.
            unsafe { add(ctx.raw(), name, default as c_int, change, Some(small), Some(set_small), None, private) }
        }
        Kind::Enum { words, .. } => {
            let owned: Vec<CString> = words.iter().filter_map(|word| CString::new(*word).ok()).collect();
            let mut names: Vec<*const c_char> = owned.iter().map(|word| word.as_ptr()).collect();
            let indices: Vec<c_int> = (0..).take(names.len()).collect();
            let count = c_int::try_from(names.len()).map_err(|_| "too many words".to_owned())?;
            let (names, indices) = (names.as_mut_ptr(), indices.as_ptr());
            let add = api!(RedisModule_RegisterEnumConfig);
            // SAFETY: as for Bool; both arrays have `count` elements, and the server copies them and their strings.
            unsafe {
                add(
                    ctx.raw(),
                    name,
                    default as c_int,
                    change,
                    names,
                    indices,
                    count,
                    Some(small),
                    Some(set_small),
                    None,
                    private,
                )
            }
        }
        Kind::Span { .. } => {
            // In the form that the getter gives: CONFIG REWRITE writes what differs from it.
            let written = CString::new(default.to_string()).unwrap_or_default();
            let add = api!(RedisModule_RegisterStringConfig);
            // SAFETY: as for Bool; the default is a C string, never null, and the server copies it.
            unsafe { add(ctx.raw(), name, written.as_ptr(), change, Some(text), Some(set_span), None, private) }
        }
        Kind::Text { .. } => {
            let add = api!(RedisModule_RegisterStringConfig);
            // SAFETY: as for Bool; the default is an empty C string, never null.
            unsafe { add(ctx.raw(), name, c"".as_ptr(), change, Some(text), Some(set_text), None, private) }
        }
    })
}

fn register_number(
    ctx: &Context<'_>,
    name: *const c_char,
    flags: c_uint,
    (default, min, max): (i64, i64, i64),
    private: *mut c_void,
) -> c_int {
    let add = api!(RedisModule_RegisterNumericConfig);
    // SAFETY: a valid context, a C string that the server copies, callbacks of this library that read `private` as a
    // place in the table and never as an address.
    unsafe { add(ctx.raw(), name, default, flags, min, max, Some(number), Some(set_number), None, private) }
}

fn number_at(private: *mut c_void) -> i64 {
    NUMBERS.get(private.addr()).map_or(0, |number| number.load(Ordering::Relaxed))
}

fn store(private: *mut c_void, value: i64) -> c_int {
    if let Some(number) = NUMBERS.get(private.addr()) {
        number.store(value, Ordering::Relaxed);
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }
    raw::REDISMODULE_OK as c_int
}

extern "C" fn number(_name: *const c_char, private: *mut c_void) -> c_longlong {
    door("a directive's number", 0, || number_at(private))
}

extern "C" fn set_number(
    _name: *const c_char,
    value: c_longlong,
    private: *mut c_void,
    _error: *mut *mut raw::RedisModuleString,
) -> c_int {
    door("setting a directive", raw::REDISMODULE_ERR as c_int, || store(private, value))
}

extern "C" fn small(_name: *const c_char, private: *mut c_void) -> c_int {
    door("a directive's word", 0, || c_int::try_from(number_at(private)).unwrap_or(0))
}

extern "C" fn set_small(
    _name: *const c_char,
    value: c_int,
    private: *mut c_void,
    _error: *mut *mut raw::RedisModuleString,
) -> c_int {
    door("setting a directive", raw::REDISMODULE_ERR as c_int, || store(private, i64::from(value)))
}

extern "C" fn text(_name: *const c_char, private: *mut c_void) -> *mut raw::RedisModuleString {
    door("a directive's text", ptr::null_mut(), || {
        TEXTS.with_borrow(|texts| match texts.get(private.addr()) {
            Some(Some(text)) => text.served.raw(),
            _ => ptr::null_mut(),
        })
    })
}

unsafe extern "C" fn set_text(
    _name: *const c_char,
    value: *mut raw::RedisModuleString,
    private: *mut c_void,
    error: *mut *mut raw::RedisModuleString,
) -> c_int {
    door("setting a directive", raw::REDISMODULE_ERR as c_int, || {
        // SAFETY: the server gives a live string, which it does not change during this call.
        let bytes = unsafe { bytes_of(value) };
        let place = private.addr();
        match allowed_text(place, bytes) {
            Ok(value) => {
                let text = Text { value: value.to_owned(), served: ServerString::new(bytes) };
                TEXTS.with_borrow_mut(|texts| texts[place] = Some(text));
                GENERATION.fetch_add(1, Ordering::Relaxed);
                raw::REDISMODULE_OK as c_int
            }
            Err(reason) => {
                // SAFETY: the server passes the address of a pointer that is its own and valid during this call.
                unsafe { refuse(error, &reason) };
                raw::REDISMODULE_ERR as c_int
            }
        }
    })
}

unsafe extern "C" fn set_span(
    _name: *const c_char,
    value: *mut raw::RedisModuleString,
    private: *mut c_void,
    error: *mut *mut raw::RedisModuleString,
) -> c_int {
    door("setting a directive", raw::REDISMODULE_ERR as c_int, || {
        let place = private.addr();
        // SAFETY: the server gives a live string, which it does not change during this call.
        let bytes = unsafe { bytes_of(value) };
        match allowed_span(place, bytes) {
            Ok(seconds) => {
                // Shown in seconds, whatever it was written in, as the server shows sizes in bytes.
                let value = seconds.to_string();
                let served = ServerString::new(value.as_bytes());
                TEXTS.with_borrow_mut(|texts| texts[place] = Some(Text { value, served }));
                store(private, seconds)
            }
            Err(reason) => {
                // SAFETY: the server passes the address of a pointer that is its own and valid during this call.
                unsafe { refuse(error, &reason) };
                raw::REDISMODULE_ERR as c_int
            }
        }
    })
}

/// Hands the server the reason of a refusal.
///
/// # Safety
/// 1. `error` is the address of a pointer of the server's, which may be written.
unsafe fn refuse(error: *mut *mut raw::RedisModuleString, reason: &str) {
    // The server frees the string that it is given here.
    let reason = ManuallyDrop::new(ServerString::new(reason.as_bytes()));
    // SAFETY: 1.
    unsafe { error.write(reason.raw()) };
}

/// The seconds that the directive at `place` may have.
fn allowed_span(place: usize, bytes: &[u8]) -> Result<i64, String> {
    let Some(Directive { name, kind: Kind::Span { min, max, .. }, .. }) = TABLE.get(place) else {
        return Err("this directive takes no span of time".to_owned());
    };
    std::str::from_utf8(bytes).ok().and_then(|text| span_read(text, *min, *max)).ok_or_else(|| {
        format!(
            "warm.{name} '{}' must be whole seconds, or a span such as 90s, 5m, 1h or 7d, from {} to {}",
            shown(bytes),
            span_written(*min),
            span_written(*max)
        )
    })
}

/// A text that the directive at `place` may have.
fn allowed_text(place: usize, bytes: &[u8]) -> Result<&str, String> {
    let Some(Directive { name, kind: Kind::Text { longest }, .. }) = TABLE.get(place) else {
        return Err("this directive takes no text".to_owned());
    };
    if bytes.len() > *longest {
        return Err(format!("warm.{name} has {} bytes, at most {longest} are allowed", bytes.len()));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(format!("warm.{name} '{}' must be UTF-8 without NUL bytes", shown(bytes))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_bounded_utf8_without_nul() {
        assert_eq!(allowed_text(0, b"/etc/redis/warm.conf"), Ok("/etc/redis/warm.conf"));
        assert_eq!(allowed_text(0, b""), Ok(""));
        assert_eq!(allowed_text(0, b"a\0b").unwrap_err(), "warm.file 'a\\x00b' must be UTF-8 without NUL bytes");
        assert!(allowed_text(0, b"\xff").unwrap_err().contains("UTF-8"));
        let long = vec![b'a'; 5000];
        assert_eq!(allowed_text(0, &long).unwrap_err(), "warm.file has 5000 bytes, at most 4095 are allowed");
    }

    #[test]
    fn a_span_is_whole_seconds_within_its_range() {
        let place = TABLE.iter().position(|directive| directive.name == "horizon").unwrap();
        assert_eq!((allowed_span(place, b"90"), allowed_span(place, b"1h")), (Ok(90), Ok(3600)));
        let error = allowed_span(place, b"8d").unwrap_err();
        assert_eq!(
            error,
            "warm.horizon '8d' must be whole seconds, or a span such as 90s, 5m, 1h or 7d, from 1s to 7d"
        );
        assert!(allowed_span(0, b"1h").is_err());
    }

    #[test]
    fn module_arguments_are_refused_with_the_way_out() {
        assert_eq!(refuse_arguments(&[]), Ok(()));
        let error = refuse_arguments(&[b"queue-length", b"5"]).unwrap_err();
        assert!(error.contains("'queue-length'") && error.contains("MODULE LOADEX"), "{error}");
    }
}
