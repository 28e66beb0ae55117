//! What a command answers, as data. It may be built on any thread and is rendered on the main thread.

use bytes::Bytes;

use super::api::Context;

/// A reply in the shapes that Redis knows. Maps are flat arrays for RESP2 clients, by the server's own rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// `+OK`.
    Ok,
    /// Absence.
    Null,
    /// An integer.
    Integer(i64),
    /// A double: ratios in 0..1, rates per second.
    Double(f64),
    /// Bytes from a client or an origin.
    Bulk(Bytes),
    /// Our own words, as a bulk string.
    Text(String),
    /// Our own constant words, as a bulk string.
    Word(&'static str),
    /// A list.
    Array(Vec<Reply>),
    /// A record.
    Map(Vec<(Reply, Reply)>),
    /// Members with scores, as ZRANGE WITHSCORES: pairs in RESP3, alternating in RESP2.
    Scored(Vec<(Bytes, f64)>),
    /// An error: its first word is the code.
    Error(String),
}

impl Reply {
    /// A record with constant field names.
    pub fn record(fields: impl IntoIterator<Item = (&'static str, Reply)>) -> Reply {
        Reply::Map(fields.into_iter().map(|(name, value)| (Reply::Word(name), value)).collect())
    }

    /// An integer from an unsigned count; saturates at `i64::MAX`.
    pub fn count(n: impl TryInto<i64>) -> Reply {
        Reply::Integer(n.try_into().unwrap_or(i64::MAX))
    }

    /// The reply, or null.
    pub fn or_null(reply: Option<Reply>) -> Reply {
        reply.unwrap_or(Reply::Null)
    }

    /// Sends the reply to the client of `ctx`.
    pub fn send(&self, ctx: &Context<'_>) {
        match self {
            Reply::Ok => ctx.reply_status(c"OK"),
            Reply::Null => ctx.reply_null(),
            Reply::Integer(n) => ctx.reply_integer(*n),
            Reply::Double(x) => ctx.reply_double(*x),
            Reply::Bulk(bytes) => ctx.reply_bytes(bytes),
            Reply::Text(text) => ctx.reply_bytes(text.as_bytes()),
            Reply::Word(text) => ctx.reply_bytes(text.as_bytes()),
            Reply::Array(items) => {
                ctx.reply_array(items.len());
                items.iter().for_each(|item| item.send(ctx));
            }
            Reply::Map(fields) => {
                ctx.reply_map(fields.len());
                for (name, value) in fields {
                    name.send(ctx);
                    value.send(ctx);
                }
            }
            Reply::Scored(members) => {
                let in_pairs = ctx.speaks_resp3();
                ctx.reply_array(if in_pairs { members.len() } else { 2 * members.len() });
                for (member, score) in members {
                    if in_pairs {
                        ctx.reply_array(2);
                    }
                    ctx.reply_bytes(member);
                    ctx.reply_double(*score);
                }
            }
            Reply::Error(text) => ctx.reply_error(text),
        }
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Reply {
        Reply::Error(refusal.to_string())
    }
}

impl Refusal {
    /// The engine cannot hear more now.
    pub const ENGINE_BUSY: Refusal = Refusal::QueueFull("the engine has too much to do");

    /// A panic was caught.
    pub fn internal() -> Refusal {
        Refusal::Argument("internal error, see the log".to_owned())
    }

    /// The module is being loaded or unloaded.
    pub fn not_ready() -> Refusal {
        Refusal::Argument("the module is not ready".to_owned())
    }
}

/// Every error that a command can answer. The first word is the code of the contract; sentences are written here, once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A wrong argument: what, its value, what is allowed.
    #[error("ERR {0}")]
    Argument(String),
    /// No loader's pattern matches the key.
    #[error("NOLOADER no loader matches the key")]
    NoLoader,
    /// The origin failed, after retries.
    #[error("LOADFAIL {loader} {reason}")]
    LoadFail {
        /// The loader's name.
        loader: String,
        /// What happened.
        reason: String,
    },
    /// The wait ran out.
    #[error("TIMEOUT the wait ran out; the load goes on")]
    Timeout,
    /// A bounded queue is full.
    #[error("QUEUEFULL {0}")]
    QueueFull(&'static str),
    /// The loader is paused.
    #[error("PAUSED loader {0} is paused; WARM.LOADER RESUME {0} lets it go on")]
    Paused(String),
    /// The token of a fill is not, or no longer, the key's lease.
    #[error("STALETOKEN the lease of this key ended, or the key was written or deleted since it was given")]
    StaleToken,
    /// The key holds another type than a string.
    #[error("WRONGTYPE Operation against a key holding the wrong kind of value")]
    WrongType,
    /// This server is a replica.
    #[error("READONLY You can't load through a read only replica.")]
    ReadOnly,
    /// The caller may not touch a key.
    #[error("NOPERM {0}")]
    NoPermission(String),
}
