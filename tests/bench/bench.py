"""Figures of the whole pipeline, with the real programs: sessions per second, and memory with a large recording.

The figures that have a yardstick of their own (parsing, loading) are `cargo bench`'s.
"""

import argparse
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

SESSIONS = 5_000
RECORDING_BYTES = 2 * 1024**3
RESIDENT_MAX_MIB = 100
LOOK_EVERY_SECS = 0.1
SETTINGS = """
[site.bench]
host = "bench.example.com"
url = "{url}"
product = "remote-support"
client_id = "bench"
client_secret = {{ env = "BENCH_SECRET" }}
requests_per_second = 1000
requests_per_hour = 1000000

[staging]
floor = "32MB"

[destination.archive]
type = "files"
url = "file://{folder}/files"

[destination.database]
type = "sqlite"
path = "{folder}/sessions.db"

[schedule.bench]
every = "1d"
transfers = [
  {{ site = "bench", destination = "database", kinds = ["session-data"] }},
  {{ site = "bench", destination = "archive", kinds = ["session-data", "session-recording"] }},
]
"""


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--bin", type=pathlib.Path, required=True)
    arguments.add_argument("--only", choices=["pipeline", "memory"])
    options = arguments.parse_args()
    if options.only != "memory":
        pipeline(options.bin)
    if options.only != "pipeline":
        memory(options.bin)
    return 0


def pipeline(folder: pathlib.Path) -> None:
    simulated = ["--sessions", str(SESSIONS), "--events-mean", "30", "--recordings", "0", "--shells", "0",
                 "--show-my-screen", "0", "--seed", "1"]
    seconds, _ = run(folder, simulated)
    print(f"pipeline: {SESSIONS} sessions of 30 events on average (seed 1), no recordings, into SQLite and files, "
          f"sync_interval always: {seconds:.1f} s, {SESSIONS / seconds:.0f} sessions/s (at least 200 wanted)")


def memory(folder: pathlib.Path) -> None:
    simulated = ["--sessions", "1", "--recordings", "1", "--shells", "0", "--show-my-screen", "0",
                 "--recording-bytes-exact", str(RECORDING_BYTES)]
    seconds, resident = run(folder, simulated)
    print(f"a recording of {RECORDING_BYTES / 1024**3:.0f} GiB: {seconds:.1f} s; most resident, in MiB "
          f"(below {RESIDENT_MAX_MIB} wanted):")
    for name, mib in resident.items():
        print(f"  {name:<22}{mib:>6.0f}")


def run(binaries: pathlib.Path, simulated: list) -> tuple:
    """One `sluice up --once` from an empty folder: how long it took, and the most that each program had resident."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name:
        folder = pathlib.Path(name)
        simulator = subprocess.Popen(
            [binaries / "appliance-simulator", "--listen", "127.0.0.1:0", "--host", "bench.example.com",
             "--client-id", "bench", "--client-secret", "secret", "--rate-per-second", "0", "--rate-per-hour", "0",
             *simulated], stdout=subprocess.PIPE, text=True)
        try:
            url = simulator.stdout.readline().split("listening on ")[1].strip()
            (folder / "files").mkdir()
            (folder / "sluice.toml").write_text(SETTINGS.format(url=url, folder=folder))
            began = time.monotonic()
            sluice = subprocess.Popen(
                [binaries / "sluice", "--settings", folder / "sluice.toml", "--data-dir", folder / "data", "up", "--once"],
                env={**os.environ, "BENCH_SECRET": "secret", "SLUICE_LOG": "warn"}, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, text=True)
            resident = {}
            while sluice.poll() is None:
                look(resident, "sluice", sluice.pid)
                look(resident, "appliance-simulator", simulator.pid)
                pid = folder / "data/nats/pid"
                if pid.exists() and pid.read_text().strip():
                    look(resident, "nats-server", int(pid.read_text()))
                time.sleep(LOOK_EVERY_SECS)
            seconds = time.monotonic() - began
            printed = sluice.stdout.read()
            if sluice.returncode != 0 or "dead" not in printed:
                sys.exit(f"sluice ended with {sluice.returncode}:\n{printed}")
            return seconds, resident
        finally:
            simulator.send_signal(signal.SIGTERM)
            simulator.wait()


def look(resident: dict, name: str, pid: int) -> None:
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            resident[name] = max(resident.get(name, 0), int(line.split()[1]) / 1024)


sys.exit(main())
