//! Clients that wait for us.

use std::os::raw::{c_int, c_void};
use std::ptr::NonNull;

use super::{Context, api, raw};
use crate::module::entry;
use crate::module::reply::Reply;

/// A client that waits. It may travel between threads; answering it is safe from any of them.
///
/// Dropping it unanswered answers null, so that no client waits for ever.
#[derive(Debug)]
pub struct BlockedClient {
    raw: Option<NonNull<raw::RedisModuleBlockedClient>>,
}

// SAFETY: the handle is only passed to RedisModule_UnblockClient, which is documented as thread-safe.
unsafe impl Send for BlockedClient {}

impl BlockedClient {
    /// Blocks the client of `ctx`. `None` where the server forbids it (the caller checked [`Context::may_block`], so
    /// this is rare).
    pub fn block(ctx: &Context<'_>) -> Option<BlockedClient> {
        let block = api!(RedisModule_BlockClient);
        // SAFETY: `ctx` is the context of a running command; both callbacks live as long as the library, which is never
        // unmapped; no timeout callback, and a timeout of 0 (deadlines are ours).
        let raw = unsafe { block(ctx.raw(), Some(answer), None, Some(free), 0) };
        NonNull::new(raw).map(|raw| BlockedClient { raw: Some(raw) })
    }

    /// Answers the client and ends its wait. If it has left, nothing happens.
    pub fn answer(mut self, reply: Reply) {
        self.finish(reply);
    }

    fn finish(&mut self, reply: Reply) {
        let Some(handle) = self.raw.take() else { return };
        let data = Box::into_raw(Box::new(reply)).cast::<c_void>();
        let unblock = api!(RedisModule_UnblockClient);
        // SAFETY: the handle came from BlockClient and `take` makes this the only use; the data is a `Box<Reply>`, which
        // `answer` reads and `free` frees exactly once, also for clients that have left.
        let _ = unsafe { unblock(handle.as_ptr(), data) };
    }
}

impl Drop for BlockedClient {
    fn drop(&mut self) {
        self.finish(Reply::Null);
    }
}

unsafe extern "C" fn answer(
    ctx: *mut raw::RedisModuleCtx,
    _argv: *mut *mut raw::RedisModuleString,
    _argc: c_int,
) -> c_int {
    entry::door("blocked client's reply", raw::REDISMODULE_OK as c_int, || {
        let data = api!(RedisModule_GetBlockedClientPrivateData);
        // SAFETY: `ctx` is the reply context of a client of ours.
        let reply = unsafe { data(ctx) }.cast::<Reply>();
        // SAFETY: the private data is the `Box<Reply>` of `finish`, alive until `free`.
        let reply = unsafe { reply.as_ref() };
        // SAFETY: the server gives a valid context for the time of this call.
        let ctx = unsafe { Context::from_raw(ctx) };
        reply.unwrap_or(&Reply::Null).send(&ctx);
        raw::REDISMODULE_OK as c_int
    })
}

unsafe extern "C" fn free(_ctx: *mut raw::RedisModuleCtx, data: *mut c_void) {
    entry::door("blocked client's end", (), || {
        if !data.is_null() {
            // SAFETY: the pointer came from `Box::into_raw` in `finish`, and the server calls this once.
            drop(unsafe { Box::from_raw(data.cast::<Reply>()) });
        }
    });
}
