//! `sluice-poller`: the poller as a process of its own.

fn main() -> std::process::ExitCode {
    poller::standalone()
}
