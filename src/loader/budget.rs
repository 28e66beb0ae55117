//! The bytes that may be in memory between the origin and the server: one budget for all loaders.
//!
//! A semaphore of bytes: first come, first served, and a share is returned by dropping it, wherever the value goes. No
//! deadlock: whoever holds nothing may wait for a share, and of those who hold a part and need more only one waits at a
//! time; the others fail and give theirs back. Who waits, waits until its try's deadline at the latest.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// The budget.
#[derive(Debug)]
pub struct Budget {
    bytes: Arc<Semaphore>,
    total: u32,
    /// Held by the one body that waits for more while it holds a part.
    growing: Mutex<()>,
}

/// There was no share to have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BudgetError {
    /// More than the whole budget was asked for.
    Never {
        /// The whole budget, in bytes.
        total: u32,
    },
    /// Too many bytes wait to be written.
    Exhausted,
}

impl Budget {
    /// A budget of `bytes`, at most 4 GiB − 1, at least 1.
    pub fn new(bytes: u64) -> Self {
        let total = u32::try_from(bytes.max(1)).unwrap_or(u32::MAX);
        Budget { bytes: Arc::new(Semaphore::new(total as usize)), total, growing: Mutex::new(()) }
    }

    /// The whole budget, in bytes.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// A share of `bytes`; the caller holds none yet.
    ///
    /// # Errors
    /// If it was not to be had until `deadline`.
    pub async fn reserve(&self, bytes: usize, deadline: Instant) -> Result<OwnedSemaphorePermit, BudgetError> {
        let bytes = self.fits(bytes)?;
        if let Ok(share) = Arc::clone(&self.bytes).try_acquire_many_owned(bytes) {
            return Ok(share);
        }
        self.wait(bytes, deadline).await
    }

    /// Makes `share` one of `bytes`, if it is smaller.
    ///
    /// # Errors
    /// If there is nothing left and another body waits already, or nothing came until `deadline`.
    pub async fn grow(
        &self,
        share: &mut OwnedSemaphorePermit,
        bytes: usize,
        deadline: Instant,
    ) -> Result<(), BudgetError> {
        let more = self.fits(bytes)?.saturating_sub(u32::try_from(share.num_permits()).unwrap_or(u32::MAX));
        if more == 0 {
            return Ok(());
        }
        let added = match Arc::clone(&self.bytes).try_acquire_many_owned(more) {
            Ok(added) => added,
            Err(_) => {
                let _growing = self.growing.try_lock().map_err(|_| BudgetError::Exhausted)?;
                self.wait(more, deadline).await?
            }
        };
        share.merge(added);
        Ok(())
    }

    fn fits(&self, bytes: usize) -> Result<u32, BudgetError> {
        let never = BudgetError::Never { total: self.total };
        u32::try_from(bytes).ok().filter(|bytes| *bytes <= self.total).ok_or(never)
    }

    async fn wait(&self, bytes: u32, deadline: Instant) -> Result<OwnedSemaphorePermit, BudgetError> {
        match timeout_at(deadline, Arc::clone(&self.bytes).acquire_many_owned(bytes)).await {
            Ok(Ok(share)) => Ok(share),
            _ => Err(BudgetError::Exhausted),
        }
    }
}

/// Gives back what `share` holds beyond `bytes`.
pub fn shrink(share: &mut OwnedSemaphorePermit, bytes: usize) {
    drop(share.split(share.num_permits().saturating_sub(bytes)));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test(start_paused = true)]
    async fn a_share_comes_back_when_it_is_dropped() {
        let budget = Budget::new(10);
        let mut share = budget.reserve(10, soon()).await.unwrap();
        let started = Instant::now();
        assert_eq!(budget.reserve(1, soon()).await.err(), Some(BudgetError::Exhausted));
        assert_eq!(started.elapsed(), Duration::from_secs(5));
        shrink(&mut share, 4);
        assert_eq!(budget.reserve(6, soon()).await.unwrap().num_permits(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_everything_fails_at_once() {
        let budget = Budget::new(10);
        let started = Instant::now();
        assert_eq!(budget.reserve(11, soon()).await.err(), Some(BudgetError::Never { total: 10 }));
        assert_eq!(budget.reserve(usize::MAX, soon()).await.err(), Some(BudgetError::Never { total: 10 }));
        assert_eq!(started.elapsed(), Duration::ZERO);
    }

    /// Two bodies hold half each and both need more: one fails at once, which lets the other go on.
    #[tokio::test(start_paused = true)]
    async fn growing_bodies_do_not_lock_each_other() {
        let budget = Arc::new(Budget::new(10));
        let started = Instant::now();
        let grow = |budget: Arc<Budget>| async move {
            let mut share = budget.reserve(5, soon()).await?;
            tokio::task::yield_now().await;
            budget.grow(&mut share, 8, soon()).await.map(|()| share.num_permits())
        };
        let (a, b) = tokio::join!(tokio::spawn(grow(Arc::clone(&budget))), tokio::spawn(grow(Arc::clone(&budget))));
        let mut results = [a.unwrap().ok(), b.unwrap().ok()];
        results.sort_unstable();
        assert_eq!(results, [None, Some(8)]);
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
}
