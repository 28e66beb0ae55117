//! The ring between the main thread and the engine's: what was seen, in the order in which it happened.
//!
//! One producer, one consumer, bytes in between ([`rtrb`]); of fixed size, allocated once. A record is put in whole or
//! not at all: when there is no room it is dropped and counted, and the main thread goes on. Cost: one copy of the name
//! into a buffer that stays in the cache, and one into the ring; no allocation, no lock, no system call. The reader takes
//! copies of some kilobytes at a time, so that room is given back before anybody works on what came, and a panic on a
//! record does not meet the same record again.
//!
//! A record is a header of 16 bytes, what the kind adds, and the name: length of all (2 bytes), kind (1), a mark (1: the
//! power of two that a read stands for, or which additions are there), database (4), and a word of 8 bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rtrb::{Consumer, Producer, RingBuffer};

use crate::engine::foresight::seen::{Gone, Seen, What};
use crate::engine::key::{Db, Key};
use crate::engine::time::Wall;

/// The ring's size in bytes: some 25,000 records, which at a million reads a second are 25 ms.
pub const BYTES: usize = 1 << 20;

/// The longest name of a user that is told, in bytes.
pub const LONGEST_USER: usize = 256;

/// The longest name of a region that is told, in bytes.
pub const LONGEST_REGION: usize = 64;

const HEADER: usize = 16;

/// The longest record, in bytes.
const LONGEST: usize = HEADER + LONGEST_USER + LONGEST_REGION + Key::MOST_BYTES;

/// Bytes copied out of the ring together.
const BATCH: usize = 32 << 10;

const READ: u8 = 1;
const TOLD: u8 = 2;
const MISSED: u8 = 3;
const WRITTEN: u8 = 4;
const EXPIRED: u8 = 5;
const EVICTED: u8 = 6;
const DELETED: u8 = 7;

/// Marks of additions.
const FIRST: u8 = 1;
const SECOND: u8 = 2;

/// The word of a value that never expires.
const NEVER: u64 = u64::MAX;

/// Whether a record found room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Put {
    /// It did.
    Kept,
    /// It did not, and was counted.
    Dropped,
}

/// The main thread's end.
#[derive(Debug)]
pub struct Writer {
    ring: Producer<u8>,
    /// Where a record is put together.
    record: Box<[u8; LONGEST]>,
    /// Bytes offered since the fill was looked at: reading the other end's place costs a cache miss.
    unlooked: usize,
    /// Whether the reader was asked to come and has not come yet. Acquire/release, so that what the reader finds includes
    /// what was put before it was asked.
    asked: Arc<AtomicBool>,
    kept: u64,
    dropped: u64,
}

/// The engine thread's end.
#[derive(Debug)]
pub struct Reader {
    ring: Consumer<u8>,
    asked: Arc<AtomicBool>,
    batch: Vec<u8>,
    /// What of `batch` was dealt with, in bytes.
    at: usize,
}

/// A ring of at least `bytes`; never too small for one record.
pub fn ring(bytes: usize) -> (Writer, Reader) {
    let (producer, consumer) = RingBuffer::new(bytes.max(LONGEST));
    let asked = Arc::new(AtomicBool::new(false));
    let record = Box::new([0; LONGEST]);
    let writer = Writer { ring: producer, record, unlooked: 0, asked: Arc::clone(&asked), kept: 0, dropped: 0 };
    (writer, Reader { ring: consumer, asked, batch: Vec::with_capacity(BATCH + LONGEST), at: 0 })
}

impl Writer {
    /// Puts one record in. A name of more than [`Key::MOST_BYTES`] is not recorded, and counted as dropped; so is a user or
    /// region beyond its bound.
    pub fn put(&mut self, seen: Seen<'_>) -> Put {
        let (kind, mark, word) = head(seen.what);
        let none: &[u8] = &[];
        let size_of_value: [u8; 8];
        let (first, second): (&[u8], &[u8]) = match seen.what {
            What::Told { user, region, .. } => (user.unwrap_or(none), region.unwrap_or(none)),
            What::Written { bytes: Some(bytes), .. } => {
                size_of_value = bytes.to_le_bytes();
                (&size_of_value, none)
            }
            _ => (none, none),
        };
        let name = seen.name;
        if name.len() > Key::MOST_BYTES || first.len() > LONGEST_USER || second.len() > LONGEST_REGION {
            self.dropped += 1;
            return Put::Dropped;
        }
        let total = HEADER + first.len() + second.len() + name.len();
        let mut rest = &mut self.record[..total];
        // The bound above keeps every length within 16 bits.
        for part in [&(total as u16).to_le_bytes()[..], &[kind, mark], &seen.db.0.to_le_bytes(), &word.to_le_bytes()] {
            rest = put(rest, part);
        }
        for part in [first, second, name] {
            rest = put(rest, part);
        }
        self.unlooked += total;
        match self.ring.push_entire_slice(&self.record[..total]) {
            Ok(()) => {
                self.kept += 1;
                Put::Kept
            }
            Err(_) => {
                self.dropped += 1;
                Put::Dropped
            }
        }
    }

    /// Whether the reader is to be asked to come now: the ring is half full, and it was not asked yet. Costs a branch
    /// until an eighth of the ring was offered since the last look.
    pub fn wants_reader(&mut self) -> bool {
        let bytes = self.bytes();
        if self.unlooked < bytes / 8 {
            return false;
        }
        self.unlooked = 0;
        self.ring.slots() < bytes / 2 && !self.asked.swap(true, Ordering::AcqRel)
    }

    /// The ring's size in bytes.
    pub fn bytes(&self) -> usize {
        self.ring.buffer().capacity()
    }

    /// Records put in.
    pub fn kept(&self) -> u64 {
        self.kept
    }

    /// Records that found no room.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

fn put<'r>(room: &'r mut [u8], part: &[u8]) -> &'r mut [u8] {
    let (here, rest) = room.split_at_mut(part.len());
    here.copy_from_slice(part);
    rest
}

fn head(what: What<'_>) -> (u8, u8, u64) {
    match what {
        What::Read { count, client } => (READ, count.max(1).ilog2() as u8, client.unwrap_or(0)),
        What::Told { count, user, region } => {
            let marks = user.map_or(0, |_| FIRST) | region.map_or(0, |_| SECOND);
            let lengths = user.map_or(0, <[u8]>::len) as u64 | (region.map_or(0, <[u8]>::len) as u64) << 16;
            (TOLD, marks, u64::from(count) | lengths << 32)
        }
        What::Missed => (MISSED, 0, 0),
        What::Written { expires_at, bytes } => {
            (WRITTEN, bytes.map_or(0, |_| FIRST), expires_at.map_or(NEVER, Wall::as_millis))
        }
        What::Gone(Gone::Expired) => (EXPIRED, 0, 0),
        What::Gone(Gone::Evicted) => (EVICTED, 0, 0),
        What::Gone(Gone::Deleted) => (DELETED, 0, 0),
    }
}

impl Reader {
    /// Hands everything that is there to `see`, oldest first, and what comes meanwhile up to once the ring's size. If
    /// `see` panics, the next call goes on with the record after.
    pub fn drain(&mut self, mut see: impl FnMut(Seen<'_>)) {
        self.asked.swap(false, Ordering::AcqRel);
        let mut left = self.ring.buffer().capacity();
        loop {
            while let Some((length, seen)) = first_record(self.batch.get(self.at..).unwrap_or(&[])) {
                // Before it is dealt with: a panic must not bring it back.
                self.at += length;
                if let Some(seen) = seen {
                    see(seen);
                }
            }
            self.batch.drain(..self.at.min(self.batch.len()));
            self.at = 0;
            let taken = self.ring.slots().min(BATCH).min(left);
            if taken == 0 {
                return;
            }
            left -= taken;
            let begin = self.batch.len();
            self.batch.resize(begin + taken, 0);
            // As many were there a moment ago, and nobody else takes any.
            let _ = self.ring.pop_entire_slice(&mut self.batch[begin..]);
        }
    }
}

/// The record that `bytes` begin with and its length, if it is there whole.
fn first_record(bytes: &[u8]) -> Option<(usize, Option<Seen<'_>>)> {
    let head = bytes.first_chunk::<HEADER>()?;
    let total = usize::from(u16::from_le_bytes([head[0], head[1]]));
    let record = bytes.get(..total.max(HEADER))?;
    Some((record.len(), decoded(head, record.get(HEADER..)?)))
}

fn decoded<'a>(head: &[u8; HEADER], rest: &'a [u8]) -> Option<Seen<'a>> {
    let &[_, _, kind, mark, a, b, c, d, ref word @ ..] = head;
    let word = u64::from_le_bytes(*word);
    let (what, name) = match kind {
        READ => (What::Read { count: 1 << mark.min(31), client: (word != 0).then_some(word) }, rest),
        TOLD => {
            let lengths = word >> 32;
            let (user, rest) = rest.split_at_checked((lengths & 0xffff) as usize)?;
            let (region, name) = rest.split_at_checked((lengths >> 16) as usize)?;
            let user = (mark & FIRST != 0).then_some(user);
            let region = (mark & SECOND != 0).then_some(region);
            (What::Told { count: word as u32, user, region }, name)
        }
        MISSED => (What::Missed, rest),
        WRITTEN => {
            let (bytes, name) = match rest.split_first_chunk::<8>() {
                Some((bytes, name)) if mark & FIRST != 0 => (Some(u64::from_le_bytes(*bytes)), name),
                _ => (None, rest),
            };
            (What::Written { expires_at: (word != NEVER).then_some(Wall::from_millis(word)), bytes }, name)
        }
        EXPIRED => (What::Gone(Gone::Expired), rest),
        EVICTED => (What::Gone(Gone::Evicted), rest),
        DELETED => (What::Gone(Gone::Deleted), rest),
        _ => return None,
    };
    Some(Seen { db: Db(u32::from_le_bytes([a, b, c, d])), name, what })
}

#[cfg(test)]
mod tests;
