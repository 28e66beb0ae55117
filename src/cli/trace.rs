//! A recorded trace of requests: CSV, plain or zstd, with a header that names at least `ts_ms` and `key`. Rows are in the
//! order of time.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::error::Error;

/// A part of a trace, in memory: about 40 bytes and the key for each request.
#[derive(Debug, PartialEq)]
pub(crate) struct Slice {
    /// Each request: milliseconds since the first of the slice, and its key.
    pub(crate) requests: Vec<(u64, Box<[u8]>)>,
}

/// Which part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// Where it begins, in milliseconds since the trace's first request.
    pub(crate) from_ms: u64,
    /// How long it is, in milliseconds.
    pub(crate) length_ms: u64,
    /// At most this many requests.
    pub(crate) limit: usize,
}

/// Reads a part of the trace in `path`; `prefix` goes before each key. The part may end early with the trace.
///
/// # Errors
/// If the file cannot be read, a row is not what the header says, or nothing lies in the part.
pub(crate) fn read(path: &Path, part: Part, prefix: &str) -> Result<Slice, Error> {
    let file = File::open(path).map_err(Error::file(path))?;
    let source: Box<dyn Read> = if path.extension().is_some_and(|extension| extension == "zst") {
        Box::new(zstd::Decoder::new(file).map_err(Error::file(path))?)
    } else {
        Box::new(file)
    };
    parse(source, part, prefix).map_err(|problem| Error::Trace { path: path.to_owned(), problem })
}

fn parse(source: impl Read, part: Part, prefix: &str) -> Result<Slice, String> {
    let mut reader = csv::ReaderBuilder::new().buffer_capacity(1 << 16).from_reader(source);
    let header = reader.byte_headers().map_err(|error| error.to_string())?.clone();
    let column = |name: &str| {
        let found = header.iter().position(|field| field == name.as_bytes());
        found.ok_or_else(|| format!("the header has no column {name}"))
    };
    let (time, key) = (column("ts_ms")?, column("key")?);
    let mut requests = Vec::new();
    let (mut first, mut base) = (None, 0);
    let mut row = csv::ByteRecord::new();
    while requests.len() < part.limit && reader.read_byte_record(&mut row).map_err(|error| error.to_string())? {
        let at = row.get(time).and_then(|field| std::str::from_utf8(field).ok()).and_then(|field| field.parse().ok());
        let line = row.position().map_or(0, csv::Position::line);
        let at: u64 = at.ok_or_else(|| format!("line {line}: ts_ms is not a number"))?;
        let since = at.saturating_sub(*first.get_or_insert(at));
        if since < part.from_ms {
            continue;
        }
        if since - part.from_ms >= part.length_ms {
            break;
        }
        if requests.is_empty() {
            base = since;
        }
        let name = [prefix.as_bytes(), row.get(key).unwrap_or_default()].concat();
        requests.push((since.saturating_sub(base), name.into_boxed_slice()));
    }
    if requests.is_empty() { Err("no requests lie in this part".to_owned()) } else { Ok(Slice { requests }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "key,user,ts_ms\na,1,1000\nb,1,1500\na,2,3000\nc,3,4000\n";
    const ALL: Part = Part { from_ms: 0, length_ms: u64::MAX, limit: 100 };

    fn keys(part: Part) -> Result<Vec<(u64, String)>, String> {
        let slice = parse(TRACE.as_bytes(), part, "k:")?;
        Ok(slice.requests.into_iter().map(|(at, key)| (at, String::from_utf8(key.into_vec()).unwrap())).collect())
    }

    #[test]
    fn columns_are_found_by_name_and_times_are_relative() {
        let expected = [(0, "k:a"), (500, "k:b"), (2000, "k:a"), (3000, "k:c")];
        assert_eq!(keys(ALL).unwrap(), expected.map(|(at, key)| (at, key.to_owned())));
    }

    #[test]
    fn a_part_has_a_beginning_a_length_and_a_limit() {
        let part = Part { from_ms: 400, length_ms: 2000, limit: 100 };
        assert_eq!(keys(part).unwrap(), [(0, "k:b".to_owned()), (1500, "k:a".to_owned())]);
        assert_eq!(keys(Part { limit: 1, ..part }).unwrap().len(), 1);
        assert!(keys(Part { from_ms: 10_000, ..ALL }).unwrap_err().contains("no requests"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let problem = |text: &str| parse(text.as_bytes(), ALL, "").unwrap_err();
        assert!(problem("ts,key\n1,a\n").contains("no column ts_ms"));
        assert!(problem("ts_ms,key\n1,a\nx,b\n").contains("line 3: ts_ms"));
        assert!(problem("ts_ms,key\n1\n").contains("record"));
    }

    #[test]
    fn compressed_traces_are_read_by_their_name() {
        let path = tempfile::tempdir().unwrap().keep().join("trace.csv.zst");
        std::fs::write(&path, zstd::encode_all(TRACE.as_bytes(), 1).unwrap()).unwrap();
        assert_eq!(read(&path, ALL, "").unwrap().requests.len(), 4);
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
}
