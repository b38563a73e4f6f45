"""`make bench`: pgbench -S direct, through PgBouncer, and through the gateway, in turn (A B A B …).

Every gateway figure is with full recording, durable events and policy on. CPU is what the middle's
processes together used, read from /proc before and after each run, per statement. Ratios of one
run on one machine are what counts; absolute figures drift: beside each figure stands its ratio
to PgBouncer of the same round. Writes bench/results/<date>.json.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import pwd
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.gateway import Gateway

from gatekeep.demo.embedded import EmbeddedPostgres, free_port

TICK = os.sysconf("SC_CLK_TCK")
PASSWORD = "only-for-this-bench"  # noqa: S105 - a throw-away target on loopback
SCALE = 10
SETTLE_S = 1.5  # what a run leaves behind is archived and indexed within this, and counts
PARTS = {b"gatekeep.journal.writer": "writer", b"gatekeep.archivist": "archivist"}


@dataclass
class Contender:
    """A way to reach the target, and the processes whose CPU counts as its own."""

    name: str
    dsn: str
    password: str
    processes: Callable[[], list[int]]
    runs: list[dict[str, float]] = field(default_factory=list)


def cpu_seconds(pids: list[int]) -> dict[str, float]:
    """User and system time of these processes so far, by what each of them is."""
    total: dict[str, float] = {}
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except FileNotFoundError:
            continue
        part = next((name for word, name in PARTS.items() if word in words), "middle")
        total[part] = total.get(part, 0.0) + (int(fields[11]) + int(fields[12])) / TICK
    return total


def peak_kib(pids: list[int]) -> int:
    """Sum of the peak resident sizes of these processes, in KiB."""
    total = 0
    for pid in pids:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except FileNotFoundError:
            continue
        found = re.search(r"VmHWM:\s+(\d+)", status)
        total += int(found.group(1)) if found else 0
    return total


def environment(password: str) -> dict[str, str]:
    """What pgbench is given beside its arguments."""
    return {**os.environ, "PGPASSWORD": password}


def pgbench(dsn: str, password: str, mode: str, clients: int, seconds: int) -> tuple[float, int]:
    """One run of `pgbench -n -S`: statements per second, and how many."""
    done = subprocess.run(
        [
            shutil.which("pgbench") or "pgbench", "-n", "-S", "-M", mode, "-c", str(clients),
            "-j", "2" if clients > 1 else "1", "-T", str(seconds), "-s", str(SCALE), dsn,
        ],
        capture_output=True, text=True, check=False, env=environment(password),
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"pgbench failed: {done.stderr[-1500:]}")
    tps = re.search(r"tps = ([\d.]+)", done.stdout)
    count = re.search(r"number of transactions actually processed: (\d+)", done.stdout)
    assert tps is not None  # noqa: S101 - pgbench always prints both
    assert count is not None  # noqa: S101 - pgbench always prints both
    return float(tps.group(1)), int(count.group(1))


def measure(contender: Contender, mode: str, clients: int, seconds: int) -> None:
    """Add one run to a contender's."""
    pids = contender.processes()
    before = cpu_seconds(pids)
    tps, count = pgbench(contender.dsn, contender.password, mode, clients, seconds)
    if pids:
        time.sleep(SETTLE_S)
    after = cpu_seconds(pids)
    used = {part: (after[part] - before.get(part, 0.0)) / max(count, 1) * 1e6 for part in after}
    contender.runs.append(
        {
            "tps": tps, "cpu_us": sum(used.values()), "peak_kib": peak_kib(pids),
            **{f"{part}_us": spent for part, spent in used.items()},
        }
    )  # fmt: skip


def add_ratios(found: list[Contender]) -> None:
    """Beside the CPU of each run its ratio to PgBouncer's in the same round."""
    pooled = next((c.runs for c in found if c.name == "pgbouncer"), [])
    for contender in found:
        for run, beside in zip(contender.runs, pooled, strict=False):
            run["of_pgbouncer"] = run["cpu_us"] / beside["cpu_us"] if beside["cpu_us"] else 0.0


def start_pgbouncer(directory: Path, target_port: int) -> tuple[subprocess.Popen[bytes], int]:
    """PgBouncer in session mode in front of the target (records nothing)."""
    port = free_port()
    ini = directory / "pgbouncer.ini"
    users = directory / "users.txt"
    users.write_text(f'"postgres" "{PASSWORD}"\n')
    ini.write_text(
        "[databases]\n"
        f"* = host=127.0.0.1 port={target_port}\n"
        "[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = scram-sha-256\n"
        f"auth_file = {users}\npool_mode = session\nmax_client_conn = 500\n"
        "default_pool_size = 200\nunix_socket_dir =\nlogfile = /dev/null\n"
        "ignore_startup_parameters = extra_float_digits\n"
    )
    owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    if owner is not None:
        for path in (directory, ini, users):
            os.chown(path, owner.pw_uid, owner.pw_gid)
    process = subprocess.Popen(
        [shutil.which("pgbouncer") or "/usr/sbin/pgbouncer", "-q", str(ini)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        user=owner.pw_uid if owner else None, group=owner.pw_gid if owner else None,
        extra_groups=() if owner else None,
    )  # fmt: skip
    deadline = time.monotonic() + 10
    dsn = f"host=127.0.0.1 port={port} user=postgres dbname=bench connect_timeout=2"
    while time.monotonic() < deadline:
        probe = subprocess.run(
            ["psql", "-X", "-c", "select 1", dsn], capture_output=True, check=False,
            env={**os.environ, "PGPASSWORD": PASSWORD},
        )  # fmt: skip
        if probe.returncode == 0:
            return process, port
    process.kill()
    raise RuntimeError("PgBouncer did not start")


def contenders(
    scratch: Path, target: EmbeddedPostgres, gateway: Gateway
) -> tuple[list[Contender], list[subprocess.Popen[bytes]]]:
    """Every contender that is installed, started."""
    base = "host=127.0.0.1 user=postgres dbname=bench"
    found = [Contender("direct", f"{base} port={target.port}", PASSWORD, list)]
    started = []
    if shutil.which("pgbouncer") or Path("/usr/sbin/pgbouncer").exists():
        directory = scratch / "pgbouncer"
        directory.mkdir()
        bouncer, port = start_pgbouncer(directory, target.port)
        started.append(bouncer)
        found.append(Contender("pgbouncer", f"{base} port={port}", PASSWORD, lambda: [bouncer.pid]))
    dsn = f"host=127.0.0.1 port={gateway.port} user=alice dbname=orders"
    found.append(Contender("gatekeep", dsn, gateway.tokens["alice"], gateway.processes))
    return found, started


def load(target: EmbeddedPostgres) -> None:
    """Make pgbench's tables directly on the target."""
    environment = {**os.environ, "PGPASSWORD": PASSWORD}
    base = ["-h", "127.0.0.1", "-p", str(target.port), "-U", "postgres"]
    subprocess.run(["createdb", *base, "bench"], check=True, env=environment)
    subprocess.run(
        ["pgbench", *base, "-i", "-q", "-s", str(SCALE), "bench"],
        check=True, env=environment, capture_output=True,
    )  # fmt: skip


def table(results: dict[str, dict[str, dict[str, float]]]) -> str:
    """Medians as a Markdown table."""
    lines = [
        "| case | contender | statements/s | of direct | CPU µs | of PgBouncer | by part | peak MiB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for case, rows in results.items():
        for name, row in rows.items():
            ratio = row["tps"] / rows["direct"]["tps"]
            parts = " + ".join(
                f"{row[f'{part}_us']:.0f}"
                for part in ("middle", "writer", "archivist")
                if f"{part}_us" in row
            )
            lines.append(
                f"| {case} | {name} | {row['tps']:,.0f} | {ratio:.2f} | "
                f"{row['cpu_us']:.1f} | {row.get('of_pgbouncer', 0):.2f} | {parts} "
                f"| {row['peak_kib'] / 1024:.0f} |"
            )
    return "\n".join(lines)


def median_row(runs: list[dict[str, float]]) -> dict[str, float]:
    """The median of each figure over a contender's runs."""
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def main() -> None:
    """Run every case and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 16, 64])
    parser.add_argument("--modes", nargs="*", default=["simple", "extended", "prepared"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gatekeep-bench-") as name:
        scratch = Path(name)
        scratch.chmod(0o755)
        target = EmbeddedPostgres(
            scratch / "target", PASSWORD,
            settings={"max_connections": "300", "shared_buffers": "256MB", "fsync": "off"},
        )  # fmt: skip
        started: list[subprocess.Popen[bytes]] = []
        gateway: Gateway | None = None
        try:
            target.start()
            load(target)
            (scratch / "gw").mkdir()
            gateway = Gateway(
                scratch / "gw", target.port, {"postgres": PASSWORD}, database="bench"
            )
            gateway.start()
            found, started = contenders(scratch, target, gateway)
            results: dict[str, dict[str, dict[str, float]]] = {}
            for mode in options.modes:
                for clients in options.clients:
                    for contender in found:
                        contender.runs.clear()
                    for _ in range(options.rounds):
                        for contender in found:
                            measure(contender, mode, clients, options.seconds)
                    add_ratios(found)
                    case = f"{mode} c={clients}"
                    results[case] = {c.name: median_row(c.runs) for c in found}
                    print(case, {n: round(r["tps"]) for n, r in results[case].items()}, flush=True)
        finally:
            if gateway is not None:
                gateway.stop()
            for process in started:
                process.terminate()
                process.wait()
            target.stop()
    print(table(results))
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    stamp = dt.datetime.now(dt.UTC).strftime("%Y-%m-%d-%H%M%S")  # noqa: TID251 - a file's name
    (folder / f"{stamp}.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
