//! One allocator for the server, tests and the CLI.
//!
//! Inside a server, memory comes from the server's allocator, so that `used_memory` and `maxmemory` count it; in a test
//! or in `warmctl` there is no server, and it comes from the system. The choice is made once, at the first allocation:
//! in a server that is after `RedisModule_Init` filled the pointers, elsewhere they are null for ever. Freeing always
//! goes where allocating went.
//!
//! The server's functions align to 16 bytes at the most; larger alignments are over-allocated here, with the true start
//! kept in front of the block. Live bytes are counted, one relaxed atomic addition each way.

use std::alloc::{GlobalAlloc, Layout, System};
use std::os::raw::c_void;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use super::api::raw;

#[global_allocator]
static ALLOCATOR: Chosen = Chosen;

/// What the server's allocator aligns to.
const NATURAL: usize = 16;

const UNDECIDED: u8 = 0;
const SYSTEM: u8 = 1;
const SERVER: u8 = 2;

/// Relaxed is enough: the value is written before any second thread of ours exists, and every thread reads the same.
static CHOICE: AtomicU8 = AtomicU8::new(UNDECIDED);
/// Relaxed: a statistic.
static LIVE: AtomicUsize = AtomicUsize::new(0);

/// Bytes that the module holds now, on all its threads.
pub fn live_bytes() -> usize {
    LIVE.load(Ordering::Relaxed)
}

struct Chosen;

fn in_server() -> bool {
    match CHOICE.load(Ordering::Relaxed) {
        SERVER => true,
        SYSTEM => false,
        _ => {
            // SAFETY: filled before our first allocation in a server, never written without one; only read.
            let found = unsafe { raw::RedisModule_Alloc }.is_some();
            CHOICE.store(if found { SERVER } else { SYSTEM }, Ordering::Relaxed);
            found
        }
    }
}

// SAFETY: blocks are as large and as aligned as asked; `dealloc` and `realloc` give a block to the allocator it came from,
// because the choice never changes after the first allocation.
unsafe impl GlobalAlloc for Chosen {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        if in_server() {
            server_alloc(layout)
        } else {
            // SAFETY: the caller's layout.
            unsafe { System.alloc(layout) }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        if in_server() {
            // SAFETY: the block came from `server_alloc` with this layout.
            unsafe { server_free(block, layout) };
        } else {
            // SAFETY: the block came from `System` with this layout.
            unsafe { System.dealloc(block, layout) };
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if in_server() && layout.align() <= NATURAL {
            // SAFETY: written once in OnLoad, only read.
            let realloc = unsafe { raw::RedisModule_Realloc };
            if let Some(realloc) = realloc {
                LIVE.fetch_add(size, Ordering::Relaxed);
                LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
                // SAFETY: the block came from the server's allocator without our header (alignment ≤ NATURAL).
                return unsafe { realloc(block.cast::<c_void>(), size) }.cast();
            }
        }
        // SAFETY: the caller vouches for size and alignment (contract of `realloc`).
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: a valid layout of non-zero size.
        let moved = unsafe { self.alloc(wanted) };
        if !moved.is_null() {
            // SAFETY: both blocks are at least this long and do not overlap.
            unsafe { std::ptr::copy_nonoverlapping(block, moved, layout.size().min(size)) };
            // SAFETY: the block came from `alloc` with this layout.
            unsafe { self.dealloc(block, layout) };
        }
        moved
    }
}

fn server_alloc(layout: Layout) -> *mut u8 {
    // SAFETY: written once in OnLoad, only read.
    let alloc = unsafe { raw::RedisModule_Alloc };
    let Some(alloc) = alloc else { return std::ptr::null_mut() };
    if layout.align() <= NATURAL {
        // SAFETY: a plain allocation.
        return unsafe { alloc(layout.size()) }.cast();
    }
    let Some(size) = layout.size().checked_add(layout.align()) else { return std::ptr::null_mut() };
    // SAFETY: a plain allocation.
    let start: *mut u8 = unsafe { alloc(size) }.cast();
    if start.is_null() {
        return start;
    }
    let shift = layout.align() - start.addr() % layout.align();
    // SAFETY: 1 ≤ shift ≤ align, and the block has `align` bytes to spare.
    let block = unsafe { start.add(shift) };
    // SAFETY: `start` is NATURAL-aligned and align > NATURAL, so shift ≥ NATURAL ≥ 8 bytes lie in front of `block`.
    let header = unsafe { block.cast::<*mut u8>().sub(1) };
    // SAFETY: the header lies inside the block and is aligned, as `block` is.
    unsafe { header.write(start) };
    block
}

/// # Safety
/// `block` came from [`server_alloc`] with this layout and was not freed.
unsafe fn server_free(block: *mut u8, layout: Layout) {
    // SAFETY: written once in OnLoad, only read.
    let free = unsafe { raw::RedisModule_Free };
    let Some(free) = free else { return };
    let start = if layout.align() <= NATURAL {
        block
    } else {
        // SAFETY: `server_alloc` kept the true start in front of the block.
        let header = unsafe { block.cast::<*mut u8>().sub(1) };
        // SAFETY: as above.
        unsafe { header.read() }
    };
    // SAFETY: the start of a block of the server's allocator.
    unsafe { free(start.cast::<c_void>()) };
}
