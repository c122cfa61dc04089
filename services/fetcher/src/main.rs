//! `sluice-fetcher`: the fetcher as a process of its own.

fn main() -> std::process::ExitCode {
    fetcher::standalone()
}
