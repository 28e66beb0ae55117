//! Jobs: what a user asked for in one go, counted key by key until every key is settled.
//!
//! A job runs from its opening until it is sealed and none of its keys is left, or until it is cancelled. For every job
//! and at every time `total = pending + warming + completed + failed + dropped`. Ended jobs are remembered for a time and to a
//! number; running ones are bounded by number. A job costs about 400 bytes, and 256 for each different error, of which it keeps
//! [`ERRORS_KEPT`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::meter::Meter;
use super::request::{JobId, JobSpec};
use super::settings::Settings;
use super::settlement::Settled;
use super::time::{Instant, Now, Wall};

/// Different error messages that a job keeps; further ones are counted together.
pub const ERRORS_KEPT: usize = 8;

/// Where a job stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum JobState {
    /// Keys may come, or are being warmed.
    Running,
    /// Every key is settled.
    Done,
    /// Ended by a user; the keys that were left are counted as dropped.
    Cancelled,
}

impl JobState {
    /// The word in replies.
    pub fn name(self) -> &'static str {
        match self {
            JobState::Running => "running",
            JobState::Done => "done",
            JobState::Cancelled => "cancelled",
        }
    }
}

/// Which jobs a list shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JobFilter {
    /// All.
    Any,
    /// Those in this state.
    In(JobState),
}

/// Whether a job was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Opening {
    /// It runs.
    Opened,
    /// Too many jobs run, or one has this number.
    Refused,
}

/// How a job does.
#[derive(Clone, PartialEq, Debug)]
pub struct JobStatus {
    /// Its number.
    pub job: JobId,
    /// What was asked.
    pub spec: JobSpec,
    /// Where it stands.
    pub state: JobState,
    /// How its keys stand.
    pub counts: JobCounts,
    /// When it was opened.
    pub started_at: Wall,
    /// When it ended.
    pub finished_at: Option<Wall>,
    /// Keys settled per second: lately while it runs, on average when it has ended.
    pub rate: f64,
    /// How long the rest will take at that rate; `None` if it has ended or nothing moves.
    pub eta: Option<Duration>,
    /// The different failures, at most [`ERRORS_KEPT`], in the order of their first appearance.
    pub errors: Vec<JobError>,
    /// Failures with other messages than these.
    pub other_errors: u64,
}

/// How the keys of a job stand; see [`JobCounts::total`] for what adds up.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct JobCounts {
    /// Keys that wait.
    pub pending: u64,
    /// Keys that an order is out for.
    pub warming: u64,
    /// Keys that are warm: loaded, renewed or found fresh.
    pub completed: u64,
    /// Keys whose origin failed.
    pub failed: u64,
    /// Keys that were given up, absent ones included.
    pub dropped: u64,
    /// Of the completed: those that existed when their order was carried out.
    pub fresh: u64,
    /// Of the dropped: those that the origin does not have.
    pub absent: u64,
    /// Keys that never became part of the job because the queue was full or their loader unknown.
    pub rejected: u64,
    /// Bytes written.
    pub bytes: u64,
}

impl JobCounts {
    /// All keys of the job: pending, warming, completed, failed and dropped.
    pub fn total(&self) -> u64 {
        self.left() + self.settled()
    }

    /// Keys that are not settled: pending and warming.
    pub fn left(&self) -> u64 {
        self.pending + self.warming
    }

    /// Keys that are settled: completed, failed and dropped.
    pub fn settled(&self) -> u64 {
        self.completed + self.failed + self.dropped
    }
}

/// A failure, and for how many keys of the job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JobError {
    /// One line for people.
    pub message: Arc<str>,
    /// Keys.
    pub count: u64,
}

/// All jobs.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    jobs: BTreeMap<JobId, Job>,
    /// Those that ended, first to last.
    ended: VecDeque<(Instant, JobId)>,
    /// Those that ended and that the owner has not been told of. Bounded by the jobs that may run, if the owner asks
    /// after every input.
    untold: Vec<JobId>,
    /// Jobs cancelled since the start.
    pub(super) cancelled: u64,
    /// Jobs done since the start.
    pub(super) done: u64,
}

#[derive(Debug)]
struct Job {
    spec: JobSpec,
    state: JobState,
    intake: Intake,
    counts: JobCounts,
    opened: Now,
    ended: Option<Now>,
    meter: Meter,
    errors: Vec<JobError>,
    other_errors: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Intake {
    Open,
    Sealed,
}

impl Jobs {
    pub(super) fn open(&mut self, now: Now, id: JobId, spec: JobSpec, settings: &Settings) -> Opening {
        self.forget_old(now.mono, settings);
        if self.running() >= settings.jobs_running as usize || self.jobs.contains_key(&id) {
            return Opening::Refused;
        }
        let job = Job {
            spec,
            state: JobState::Running,
            intake: Intake::Open,
            counts: JobCounts::default(),
            opened: now,
            ended: None,
            meter: Meter::new(now.mono),
            errors: Vec::new(),
            other_errors: 0,
        };
        self.jobs.insert(id, job);
        Opening::Opened
    }

    /// What was asked, if the job takes keys.
    pub(super) fn taking(&self, id: JobId) -> Option<&JobSpec> {
        self.jobs.get(&id).filter(|job| job.intake == Intake::Open).map(|job| &job.spec)
    }

    pub(super) fn seal(&mut self, now: Now, id: JobId) {
        if let Some(job) = self.jobs.get_mut(&id).filter(|job| job.intake == Intake::Open) {
            job.intake = Intake::Sealed;
            self.end_if_settled(now, id);
        }
    }

    /// Ends a running job; what is left of it counts as dropped. `None` if it does not run.
    pub(super) fn cancel(&mut self, now: Now, id: JobId) -> Option<()> {
        let job = self.jobs.get_mut(&id).filter(|job| job.state == JobState::Running)?;
        job.counts.dropped += job.counts.left();
        (job.counts.pending, job.counts.warming) = (0, 0);
        job.intake = Intake::Sealed;
        self.end(now, id, JobState::Cancelled);
        Some(())
    }

    /// A key joined the job and waits.
    pub(super) fn joined_waiting(&mut self, id: JobId) {
        self.count(id, |counts| counts.pending += 1);
    }

    /// A key joined the job that an order is out for already.
    pub(super) fn joined_warming(&mut self, id: JobId) {
        self.count(id, |counts| counts.warming += 1);
    }

    /// A key was not accepted.
    pub(super) fn rejected(&mut self, id: JobId) {
        self.count(id, |counts| counts.rejected += 1);
    }

    /// An order left for a key.
    pub(super) fn ordered(&mut self, id: JobId) {
        self.count(id, |counts| (counts.pending, counts.warming) = (counts.pending - 1, counts.warming + 1));
    }

    /// A key waits again.
    pub(super) fn requeued(&mut self, id: JobId) {
        self.count(id, |counts| (counts.pending, counts.warming) = (counts.pending + 1, counts.warming - 1));
    }

    /// A key that waited (`was` pending) or was being warmed is settled.
    pub(super) fn settled(&mut self, now: Now, id: JobId, was: Phase, settled: &Settled) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        match was {
            Phase::Waiting => job.counts.pending -= 1,
            Phase::Ordered => job.counts.warming -= 1,
        }
        job.meter.tick(now.mono);
        job.add(settled);
        self.end_if_settled(now, id);
    }

    pub(super) fn take_ended(&mut self) -> Vec<JobId> {
        std::mem::take(&mut self.untold)
    }

    pub(super) fn status(&self, now: Now, id: JobId, settings: &Settings) -> Option<JobStatus> {
        let job = self.jobs.get(&id).filter(|job| !job.is_old(now.mono, settings))?;
        Some(job.status(now, id))
    }

    pub(super) fn list(&self, now: Now, filter: JobFilter, count: usize, settings: &Settings) -> Vec<JobStatus> {
        let shown = |job: &Job| match filter {
            JobFilter::Any => true,
            JobFilter::In(state) => job.state == state,
        };
        let newest = self.jobs.iter().rev();
        let picked = newest.filter(|(_, job)| shown(job) && !job.is_old(now.mono, settings)).take(count);
        picked.map(|(&id, job)| job.status(now, id)).collect()
    }

    pub(super) fn running(&self) -> usize {
        self.jobs.len() - self.ended.len()
    }

    /// Bytes of memory held; an estimate.
    pub(super) fn bytes(&self) -> usize {
        self.jobs.len() * (size_of::<Job>() + size_of::<JobId>() + 2 * size_of::<usize>())
            + self.ended.capacity() * size_of::<(Instant, JobId)>()
    }

    fn count(&mut self, id: JobId, change: impl FnOnce(&mut JobCounts)) {
        if let Some(job) = self.jobs.get_mut(&id) {
            change(&mut job.counts);
        }
    }

    fn end_if_settled(&mut self, now: Now, id: JobId) {
        let ends = |job: &Job| job.intake == Intake::Sealed && job.counts.left() == 0;
        if self.jobs.get(&id).is_some_and(ends) {
            self.end(now, id, JobState::Done);
        }
    }

    fn end(&mut self, now: Now, id: JobId, state: JobState) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.state = state;
        job.ended = Some(now);
        self.ended.push_back((now.mono, id));
        self.untold.push(id);
        match state {
            JobState::Cancelled => self.cancelled += 1,
            JobState::Done | JobState::Running => self.done += 1,
        }
    }

    fn forget_old(&mut self, now: Instant, settings: &Settings) {
        while let Some(&(ended, id)) = self.ended.front() {
            if self.ended.len() <= settings.jobs_kept as usize && now.since(ended) < settings.job_ttl {
                break;
            }
            self.ended.pop_front();
            self.jobs.remove(&id);
        }
    }

    /// Checks that ended jobs are those in the queue of the ended, and returns how many keys each job waits for.
    #[cfg(test)]
    pub(super) fn validate(&self) -> BTreeMap<JobId, (u64, u64)> {
        assert!(self.ended.iter().all(|(_, id)| self.jobs[id].state != JobState::Running));
        assert_eq!(self.ended.len(), self.jobs.values().filter(|job| job.ended.is_some()).count());
        assert!(self.jobs.values().all(|job| job.state == JobState::Running || job.counts.left() == 0));
        self.jobs.iter().map(|(&id, job)| (id, (job.counts.pending, job.counts.warming))).collect()
    }
}

/// Where a key stood when it was settled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// In the queue.
    Waiting,
    /// An order was out for it.
    Ordered,
}

impl Job {
    fn add(&mut self, settled: &Settled) {
        let counts = &mut self.counts;
        match settled {
            Settled::Loaded { bytes, .. } => {
                counts.completed += 1;
                counts.bytes = counts.bytes.saturating_add(*bytes);
            }
            Settled::Renewed { .. } => counts.completed += 1,
            Settled::Fresh => {
                counts.completed += 1;
                counts.fresh += 1;
            }
            Settled::Absent => {
                counts.dropped += 1;
                counts.absent += 1;
            }
            Settled::Dropped(_) => counts.dropped += 1,
            Settled::Failed { message } => {
                counts.failed += 1;
                self.fail(message);
            }
        }
    }

    fn fail(&mut self, message: &Arc<str>) {
        if let Some(known) = self.errors.iter_mut().find(|error| error.message == *message) {
            known.count += 1;
        } else if self.errors.len() < ERRORS_KEPT {
            self.errors.push(JobError { message: message.clone(), count: 1 });
        } else {
            self.other_errors += 1;
        }
    }

    fn is_old(&self, now: Instant, settings: &Settings) -> bool {
        self.ended.is_some_and(|ended| now.since(ended.mono) >= settings.job_ttl)
    }

    fn status(&self, now: Now, job: JobId) -> JobStatus {
        let rate = match self.ended {
            None => self.meter.rate(now.mono),
            Some(ended) => {
                let span = ended.mono.since(self.opened.mono).max(Duration::from_millis(1));
                self.counts.settled() as f64 / span.as_secs_f64()
            }
        };
        let eta = (self.ended.is_none() && rate > 0.0)
            .then(|| Duration::try_from_secs_f64(self.counts.left() as f64 / rate).unwrap_or(Duration::MAX));
        JobStatus {
            job,
            spec: self.spec.clone(),
            state: self.state,
            counts: self.counts,
            started_at: self.opened.wall,
            finished_at: self.ended.map(|ended| ended.wall),
            rate,
            eta,
            errors: self.errors.clone(),
            other_errors: self.other_errors,
        }
    }
}
