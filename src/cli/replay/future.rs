//! What comes next in a trace: for each request, the next one of the same key. Only clairvoyant policies may look.
//! 4 bytes a request.

use super::trace::Trace;

/// The next request of the same key, for each request.
#[derive(Debug)]
pub(crate) struct Future {
    next: Vec<u32>,
}

impl Future {
    /// Of a trace of fewer than 2^32 - 1 requests; what lies beyond is not seen.
    pub(crate) fn new(trace: &Trace) -> Self {
        let mut upcoming = vec![NOTHING; trace.distinct()];
        let mut next = vec![NOTHING; trace.len()];
        for (index, (&key, next)) in trace.keys.iter().zip(&mut next).enumerate().rev() {
            let index = u32::try_from(index).unwrap_or(NOTHING);
            *next = std::mem::replace(&mut upcoming[key as usize], index);
        }
        Future { next }
    }

    /// The place of the next request of the same key as request `index`, or [`NOTHING`].
    pub(crate) fn after(&self, index: usize) -> u32 {
        self.next.get(index).copied().unwrap_or(NOTHING)
    }
}

/// No more requests.
pub(crate) const NOTHING: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_knows_the_next_of_its_key() {
        let future = Future::new(&Trace::of(&[(0, 0), (1, 1), (2, 0), (3, 0)]));
        let next: Vec<u32> = (0..5).map(|index| future.after(index)).collect();
        assert_eq!(next, [2, NOTHING, 3, NOTHING, NOTHING]);
    }
}
