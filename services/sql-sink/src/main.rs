//! `sluice-sql-sink`: the SQL sink as a process of its own.

fn main() -> std::process::ExitCode {
    sql_sink::standalone()
}
