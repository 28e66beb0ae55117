//! A trace in memory, as columns.
//!
//! A request takes 12 bytes (time and key) and 4 more for each of the optional columns that the file has; a key takes its
//! name and 8 bytes. The news portal's ten days (2 M requests with user, session and region): 50 MB.

use super::names::Names;

/// Requests in the order of time. Columns are of equal length, or empty where the file has none.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    /// When, in milliseconds; for a trace that has only an order, the request's number.
    pub(crate) times: Vec<u64>,
    /// What: ids into `names`.
    pub(crate) keys: Vec<u32>,
    /// The keys' names.
    pub(crate) names: Names,
    /// Bytes of the value.
    pub(crate) sizes: Vec<u32>,
    /// Who.
    pub(crate) users: Labels,
    /// In which visit.
    pub(crate) sessions: Labels,
    /// From where.
    pub(crate) regions: Labels,
    /// Rows that came after a later one in the file.
    pub(crate) disordered: u64,
}

/// A column of names, some of which may be empty.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    pub(super) of: Vec<u32>,
    /// The distinct names.
    pub(crate) names: Names,
}

/// One request.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Request {
    /// Its place in the trace.
    pub(crate) index: usize,
    /// When, in milliseconds.
    pub(crate) ts_ms: u64,
    /// The key's id, dense from 0.
    pub(crate) key: u32,
    /// Bytes of the value; 1 in a trace without sizes.
    pub(crate) size: u32,
    /// Who asked, if known.
    pub(crate) user: Option<u32>,
    /// In which visit, if known.
    pub(crate) session: Option<u32>,
    /// From where, if known.
    pub(crate) region: Option<u32>,
}

impl Trace {
    /// How many requests.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// How many distinct keys.
    pub(crate) fn distinct(&self) -> usize {
        self.names.len()
    }

    /// Milliseconds of the first and of the last request; zero for none.
    pub(crate) fn span(&self) -> (u64, u64) {
        let at = |time: Option<&u64>| time.copied().unwrap_or(0);
        (at(self.times.first()), at(self.times.last()))
    }

    /// True if times only count requests.
    pub(crate) fn is_order_only(&self) -> bool {
        let (first, last) = self.span();
        last - first == (self.len() as u64).saturating_sub(1)
            && self.times.windows(2).all(|pair| matches!(pair, [before, after] if after - before == 1))
    }

    /// The requests `range`, in order.
    pub(crate) fn requests(&self, range: std::ops::Range<usize>) -> impl Iterator<Item = Request> {
        let pairs = self.times.iter().zip(&self.keys).enumerate();
        pairs.skip(range.start).take(range.len()).map(|(index, (&ts_ms, &key))| Request {
            index,
            ts_ms,
            key,
            size: self.sizes.get(index).copied().unwrap_or(1),
            user: self.users.at(index),
            session: self.sessions.at(index),
            region: self.regions.at(index),
        })
    }

    /// A trace of times and key ids alone, for tests; key n is named n.
    #[cfg(test)]
    pub(crate) fn of(requests: &[(u64, u32)]) -> Self {
        let mut names = super::names::Interner::new();
        let most = requests.iter().map(|&(_, key)| key + 1).max().unwrap_or(0);
        (0..most).for_each(|key| {
            names.id(key.to_string().as_bytes());
        });
        let (times, keys) = requests.iter().copied().unzip();
        Trace { times, keys, names: names.finish(), ..Trace::default() }
    }
}

impl Labels {
    /// The label of a request, if it has one.
    pub(crate) fn at(&self, index: usize) -> Option<u32> {
        self.of.get(index).copied().filter(|&id| id != NO_LABEL)
    }
}

/// Stands for an empty field.
pub(super) const NO_LABEL: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_counting_times_are_an_order() {
        assert!(Trace::of(&[(5, 0), (6, 1), (7, 0)]).is_order_only());
        assert!(!Trace::of(&[(5, 0), (5, 1), (7, 0)]).is_order_only());
        assert!(Trace::of(&[]).is_order_only());
    }

    #[test]
    fn a_range_of_requests_keeps_their_places() {
        let trace = Trace::of(&[(10, 0), (20, 1), (30, 0)]);
        let found: Vec<_> = trace.requests(1..3).map(|request| (request.index, request.ts_ms, request.key)).collect();
        assert_eq!(found, [(1, 20, 1), (2, 30, 0)]);
        assert_eq!(trace.requests(2..9).count(), 1);
    }
}
