use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// How long a program may take to start, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How many ports are tried.
const PORTS_TRIED_MAX: u64 = 10;

/// Runs the program, and ends it when its own input ends, which it does with the test process however that ends.
const WATCHDOG: &str = "\"$@\" & read -r _; kill -9 $!";

/// A running program. It ends with this value, or with the test process.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    /// Starts a program that listens on a loopback port, and waits until it does.
    pub(crate) fn start(program: &Path, arguments: fn(u16) -> Vec<String>) -> (Process, u16) {
        for attempt in 0..PORTS_TRIED_MAX {
            let port = candidate(attempt);
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                continue;
            }
            let mut shell = Command::new("sh");
            shell.args(["-c", WATCHDOG, "sh"]).arg(program).args(arguments(port));
            shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            let process = Process(shell.spawn().expect("there is a shell"));
            let until = Instant::now() + PATIENCE;
            while Instant::now() < until {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return (process, port);
                }
                thread::sleep(LOOK_EVERY);
            }
        }
        panic!("{} does not listen", program.display());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Its input ends, and so does what it runs.
        drop(self.0.stdin.take());
        drop(self.0.wait());
    }
}

fn candidate(attempt: u64) -> u16 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO);
    let seed = u64::from(now.subsec_nanos()) / 1_000
        + u64::from(std::process::id()) * 7_919
        + attempt * 104_729;
    u16::try_from(14_000 + seed % 18_000).expect("it lies below 65,536")
}
