"""The demo: two simulated appliances, one run of `sluice up --once`, and a look at what arrived.

Everything lies below one folder and stays there; a second run finds it all delivered.
"""

import argparse
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import time

SESSIONS = 110
# The appliances' clocks stand still, so that a second run asks them for the same.
SITES = {
    "support": ("support.example.com", "remote-support", 11),
    "access": ("access.example.com", "privileged-remote-access", 12),
}
QUERY = """
    select s.host_name as site, r.display_name as representative, count(*) as sessions,
           sum(s.file_transfers) as files
    from session s join representative r on r.session_id = s.id and r.is_owner = 1
    group by 1, 2 order by 3 desc, 2 limit 5
"""


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--bin", type=pathlib.Path, required=True)
    arguments.add_argument("--data", type=pathlib.Path, required=True)
    options = arguments.parse_args()
    data = options.data.absolute()
    data.mkdir(exist_ok=True)
    now = pinned_now(data)
    simulators = []
    try:
        urls = {}
        for label, site in SITES.items():
            simulator, urls[label] = start_simulator(options.bin, now, *site)
            simulators.append(simulator)
        write_settings(data, urls)
        began = time.monotonic()
        environment = {**os.environ, "DEMO_SECRET": "demo-secret", "SLUICE_LOG": "warn"}
        command = [options.bin / "sluice", "--settings", data / "sluice.toml", "--data-dir", data / "sluice-data"]
        ended = subprocess.run([*command, "up", "--once"], env=environment, check=False)
        print(f"\nended with {ended.returncode} after {time.monotonic() - began:.1f} s\n", flush=True)
        show(data)
        return ended.returncode
    finally:
        for simulator in simulators:
            simulator.send_signal(signal.SIGTERM)
            simulator.wait()


def pinned_now(data: pathlib.Path) -> int:
    pinned = data / "now"
    if not pinned.exists():
        pinned.write_text(str(int(time.time())))
    return int(pinned.read_text())


def start_simulator(folder: pathlib.Path, now: int, host: str, product: str, seed: int):
    command = [
        folder / "appliance-simulator", "--listen", "127.0.0.1:0", "--host", host, "--product", product,
        "--seed", str(seed), "--now", str(now), "--sessions", str(SESSIONS), "--recordings", "0.4",
        "--shells", "0.15", "--recording-bytes", "300000", "--backup-bytes", "2000000",
        "--client-id", "demo", "--client-secret", "demo-secret",
        # A clock that stands still would never grant another second's requests.
        "--rate-per-second", "0", "--rate-per-hour", "0",
    ]
    simulator = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    line = simulator.stdout.readline()
    if "listening on " not in line:
        sys.exit(f"the simulator of {host} did not start: {line!r}")
    return simulator, line.split("listening on ")[1].strip()


def write_settings(data: pathlib.Path, urls: dict) -> None:
    parts = []
    for label, (host, product, _) in SITES.items():
        parts.append(f"""
[site.{label}]
host = "{host}"
url = "{urls[label]}"
product = "{product}"
client_id = "demo"
client_secret = {{ env = "DEMO_SECRET" }}
requests_per_second = 100
""")
    parts.append(f"""
[staging]
floor = "32MB"

[destination.archive]
type = "files"
url = "file://{data}/files"

[destination.database]
type = "sqlite"
path = "{data}/sessions.db"
""")
    for label in SITES:
        parts.append(f"""
[schedule.{label}]
every = "5m"
transfers = [
  {{ site = "{label}", destination = "database", kinds = ["session-data"] }},
  {{ site = "{label}", destination = "archive", kinds = [
      "session-data", "session-recording", "command-shell-recording"] }},
]

[schedule.{label}-backup]
every = "7d"
transfers = [{{ site = "{label}", destination = "archive", kinds = ["site-backup"] }}]
""")
    (data / "sluice.toml").write_text("".join(parts))
    (data / "files").mkdir(exist_ok=True)


def show(data: pathlib.Path) -> None:
    files = [path for path in (data / "files").iterdir() if path.is_file()]
    print(f"{len(files)} files in {data / 'files'}, among them:")
    for path in sorted(files)[:3] + sorted(files)[-2:]:
        print(f"  {path.name}  {path.stat().st_size} bytes")
    print(f"\nand in {data / 'sessions.db'}, asked for who owned most sessions:")
    database = sqlite3.connect(data / "sessions.db")
    print(f"  {'site':<22}{'representative':<30}{'sessions':>9}{'files':>7}")
    for site, representative, sessions, transferred in database.execute(QUERY):
        print(f"  {site:<22}{representative or '':<30}{sessions:>9}{transferred or 0:>7}")


sys.exit(main())
