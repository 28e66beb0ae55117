//! `warmctl jobs`: the jobs that the server knows, one a line.

use std::process::ExitCode;

use redis::{Connection, Value};

use super::connection::Server;
use super::error::Error;
use super::record::Record;

/// List the jobs: running ones and those that ended lately
#[derive(clap::Args, Debug)]
pub(crate) struct Jobs {
    /// Only jobs in this state.
    #[arg(long, value_parser = ["running", "done", "cancelled"])]
    state: Option<String>,
    /// At most this many.
    #[arg(long, default_value_t = 20)]
    count: u32,
}

/// Runs the command.
pub(crate) fn run(server: &Server, jobs: &Jobs) -> Result<ExitCode, Error> {
    let mut command = redis::cmd("WARM.JOB");
    command.arg("LIST");
    if let Some(state) = &jobs.state {
        command.arg("STATE").arg(state);
    }
    command.arg("COUNT").arg(jobs.count);
    let mut connection = server.connect()?;
    let list: Vec<Value> = command.query(&mut connection)?;
    println!("{HEADING}");
    for entry in list {
        println!("{}", line(&job(entry, &mut connection)?));
    }
    Ok(ExitCode::SUCCESS)
}

/// A list has whole records, or ids to ask about.
fn job(entry: Value, connection: &mut Connection) -> Result<Record, Error> {
    let reply = match entry {
        Value::Int(id) => redis::cmd("WARM.JOB").arg("STATUS").arg(id).query(connection)?,
        record => record,
    };
    Record::new("WARM.JOB LIST", reply)
}

fn line(job: &Record) -> String {
    let field = |name| job.text(name);
    let rate = job.number("rate").map_or(String::new(), |rate| format!("{rate:.0}"));
    format!(
        "{:>10} {:9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>10}",
        field("job"),
        field("state"),
        field("total"),
        field("pending"),
        field("warming"),
        field("completed"),
        field("failed"),
        field("dropped"),
        rate
    )
}

const HEADING: &str = "       job state         total   pending   warming completed    failed   dropped     keys/s";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_their_heading() {
        let fields = ["job", "state", "total", "pending", "warming", "completed", "failed", "dropped", "rate"];
        let pairs = fields.iter().map(|name| (Value::SimpleString((*name).to_owned()), Value::Int(7))).collect();
        let line = line(&Record::new("WARM.JOB STATUS", Value::Map(pairs)).unwrap());
        assert_eq!(line.len(), HEADING.len());
        assert_eq!(line.split_whitespace().count(), HEADING.split_whitespace().count());
    }
}
