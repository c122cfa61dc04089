//! `sluice`: everything in one process, and the commands for people.

fn main() -> std::process::ExitCode {
    cli::main()
}
