//! A file's bytes, decompressed by a thread of its own, so that the one who reads them only parses.
//!
//! The thread is at most [`AHEAD`] chunks of [`CHUNK`] bytes ahead (2 MiB in all) and then waits; it ends with the file, at
//! the first error, or when the source is dropped.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// The decompressed bytes of a file.
#[derive(Debug)]
pub(crate) struct Source {
    /// Bounded: decoding is faster than parsing, and would otherwise put the whole file into memory.
    chunks: Option<Receiver<io::Result<Vec<u8>>>>,
    current: Cursor<Vec<u8>>,
    /// Relaxed: it is only shown.
    consumed: Arc<AtomicU64>,
    length: u64,
    thread: Option<JoinHandle<()>>,
}

impl Source {
    /// Opens a file. Zstandard is recognised by its first bytes, whatever the file is called.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let consumed = Arc::new(AtomicU64::new(0));
        let (sender, chunks) = sync_channel(AHEAD);
        let counted = Counted { file, consumed: Arc::clone(&consumed) };
        let thread = thread::Builder::new().name("decode".to_owned()).spawn(move || decode(counted, &sender))?;
        Ok(Source { chunks: Some(chunks), current: Cursor::default(), consumed, length, thread: Some(thread) })
    }

    /// How many of the file's bytes were taken, and how many it has.
    pub(crate) fn position(&self) -> Position {
        Position { consumed: Arc::clone(&self.consumed), length: self.length }
    }
}

/// How far a file is read, for showing.
pub(crate) struct Position {
    consumed: Arc<AtomicU64>,
    length: u64,
}

impl Position {
    /// Bytes taken so far.
    pub(crate) fn done(&self) -> u64 {
        self.consumed.load(Ordering::Relaxed)
    }

    /// Bytes in all; 0 for a pipe.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.current.read(into)?;
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            match self.chunks.as_ref().map(Receiver::recv) {
                Some(Ok(chunk)) => self.current = Cursor::new(chunk?),
                // The thread has said all.
                Some(Err(_)) | None => return Ok(0),
            }
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.chunks = None;
        if let Some(thread) = self.thread.take() {
            // It holds nothing that a panic could spoil.
            drop(thread.join());
        }
    }
}

fn decode(file: Counted, sender: &SyncSender<io::Result<Vec<u8>>>) {
    let send = |chunk| sender.send(chunk).is_ok();
    let mut plain = match plain(file) {
        Ok(plain) => plain,
        Err(error) => {
            send(Err(error));
            return;
        }
    };
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        match plain.by_ref().take(CHUNK as u64).read_to_end(&mut chunk) {
            Ok(0) => return,
            Ok(_) => {
                if !send(Ok(chunk)) {
                    return;
                }
            }
            Err(error) => {
                // What was decoded before the damage says where it is.
                if send(Ok(chunk)) {
                    send(Err(error));
                }
                return;
            }
        }
    }
}

fn plain(mut file: Counted) -> io::Result<Box<dyn Read>> {
    let mut magic = Vec::with_capacity(ZSTD.len());
    file.by_ref().take(ZSTD.len() as u64).read_to_end(&mut magic)?;
    let compressed = magic == ZSTD;
    let whole = BufReader::with_capacity(CHUNK, Cursor::new(magic).chain(file));
    Ok(if compressed { Box::new(zstd::Decoder::with_buffer(whole)?) } else { Box::new(whole) })
}

struct Counted {
    file: File,
    consumed: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        self.consumed.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

const CHUNK: usize = 1 << 18;
const AHEAD: usize = 8;
const ZSTD: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn plain_and_compressed_read_the_same() {
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        for stored in [bytes.clone(), zstd::encode_all(&bytes[..], 1).unwrap()] {
            let file = file(&stored);
            let mut source = Source::open(file.path()).unwrap();
            let (mut read, position) = (Vec::new(), source.position());
            source.read_to_end(&mut read).unwrap();
            assert!(read == bytes);
            assert_eq!((position.done(), position.length()), (stored.len() as u64, stored.len() as u64));
        }
    }

    #[test]
    fn a_source_may_be_dropped_before_its_end() {
        let file = file(&vec![7; 20 * CHUNK]);
        let mut source = Source::open(file.path()).unwrap();
        assert_eq!(source.read(&mut [0; 10]).unwrap(), 10);
    }

    #[test]
    fn an_empty_file_has_no_bytes() {
        assert_eq!(Source::open(file(b"").path()).unwrap().read(&mut [0; 10]).unwrap(), 0);
    }

    #[test]
    fn a_truncated_file_gives_what_it_has_and_then_an_error() {
        let whole = zstd::encode_all(&b"abc,def\n".repeat(100_000)[..], 1).unwrap();
        let file = file(&whole[..whole.len() - 5]);
        let error = Source::open(file.path()).unwrap().read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
