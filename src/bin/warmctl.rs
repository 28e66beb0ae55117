//! `warmctl`: the command line beside the module. It speaks RESP to a server and never needs the module's own code.

fn main() -> std::process::ExitCode {
    redis_warm::cli::main()
}
