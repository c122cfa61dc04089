//! `sluice-file-sink`: the file sink as a process of its own.

fn main() -> std::process::ExitCode {
    file_sink::standalone()
}
