//! `warmctl`, the command line: warms keys, shows what the module does, and measures a server from outside. It speaks
//! RESP to a server and never needs the module's own code; `replay` needs no server at all.
//!
//! In reading order: `connection` (how a server is reached), `record` (how its replies are read), one file for each
//! command, and below them `progress`, `report`, `latency`, `zipf` and `trace`.

mod connection;
mod error;
mod jobs;
mod latency;
mod load;
mod play;
mod probe;
mod progress;
mod read;
mod record;
mod replay;
mod report;
#[cfg(test)]
mod scripted;
mod status;
mod trace;
mod zipf;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use error::{Error, Kind};

/// Runs the command line: reads the process's arguments, prints to its output, returns its exit code. 0: done; 1: keys
/// failed, or the server or a file refused; 2: the arguments were wrong.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Command::Load(load) => load::run(&arguments.server, &load),
        Command::Status(status) => status::run(&arguments.server, &status),
        Command::Jobs(jobs) => jobs::run(&arguments.server, &jobs),
        Command::Read(read) => read::run(&arguments.server, &read),
        Command::Play(play) => play::run(&arguments.server, &play),
        Command::Probe(probe) => probe::run(&arguments.server, &probe),
        Command::Replay(replay) => replay::run(&replay),
        Command::Overlay(overlay) => replay::overlay::run(&overlay),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("warmctl: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Warms the keys of a Redis or Valkey server that has the warm module, and measures the result.
#[derive(Parser, Debug)]
#[command(name = "warmctl", version)]
struct Arguments {
    #[command(flatten)]
    server: connection::Server,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Load(load::Load),
    Status(status::Status),
    Jobs(jobs::Jobs),
    Read(read::Read),
    Play(play::Play),
    Probe(probe::Probe),
    Replay(replay::Replay),
    Overlay(replay::overlay::Overlay),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
