//! What holds of every job that has ended.

use super::{Client, Reply};

/// Waits for the job of a WARM.LOAD's reply, and checks that its numbers add up; its status.
#[track_caller]
pub(crate) fn finished(client: &mut Client, reply: &Reply) -> Reply {
    let job = reply.field("job").int();
    let status = client.run(&format!("WARM.JOB WAIT {job} 20s")).fine();
    assert_eq!(status.field("state"), "done");
    assert_adds_up(&status);
    status
}

/// Every key of a job is somewhere, and in one place only.
#[track_caller]
pub(crate) fn assert_adds_up(status: &Reply) {
    let parts = ["pending", "warming", "completed", "failed", "dropped"];
    let sum: i64 = parts.iter().map(|part| status.field(part).int()).sum();
    assert_eq!(status.field("total"), sum, "{status:?}");
}
