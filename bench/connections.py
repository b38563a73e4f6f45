"""`make connections`: connect, SELECT 1, close; direct and through the gateway, in turn.

`pgbench -C` makes each connection anew, with SCRAM on every leg: through the gateway that is two
exchanges. Every gateway figure is with full recording, durable events and policy on. Ratios of one
run on one machine are what counts. Prints a table.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from postgres import PASSWORD, Contender, cpu_seconds, environment, median_row
from support.gateway import Gateway

from gatekeep.demo.embedded import EmbeddedPostgres


def connections(contender: Contender, script: Path, clients: int, seconds: int) -> None:
    """Add one run to a contender's: connections per second, and CPU of the middle for each."""
    pids = contender.processes()
    before = sum(cpu_seconds(pids).values())
    done = subprocess.run(
        [
            "pgbench", "-n", "-C", "-f", str(script), "-c", str(clients),
            "-j", "2" if clients > 1 else "1", "-T", str(seconds), contender.dsn,
        ],
        capture_output=True, text=True, check=False, env=environment(contender.password),
    )  # fmt: skip
    found = re.search(r"number of transactions actually processed: (\d+)", done.stdout)
    if done.returncode or found is None:
        raise RuntimeError(f"pgbench failed: {done.stderr[-1500:]}")
    count = int(found.group(1))
    used = sum(cpu_seconds(pids).values()) - before
    contender.runs.append({"rate": count / seconds, "cpu_ms": used / max(count, 1) * 1e3})


def table(results: dict[str, dict[str, dict[str, float]]]) -> str:
    """Medians as a Markdown table."""
    lines = [
        "| case | contender | connections/s | of direct | CPU ms per connection |",
        "|---|---|---|---|---|",
    ]
    for case, rows in results.items():
        for name, row in rows.items():
            ratio = row["rate"] / rows["direct"]["rate"]
            lines.append(
                f"| {case} | {name} | {row['rate']:,.0f} | {ratio:.2f} | {row['cpu_ms']:.2f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Run every case and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 8])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gatekeep-bench-") as name:
        scratch = Path(name)
        scratch.chmod(0o755)
        script = scratch / "one.sql"
        script.write_text("SELECT 1;\n")
        target = EmbeddedPostgres(
            scratch / "target", PASSWORD, settings={"max_connections": "300", "fsync": "off"}
        )
        gateway: Gateway | None = None
        try:
            target.start()
            (scratch / "gw").mkdir()
            gateway = Gateway(scratch / "gw", target.port, {"postgres": PASSWORD})
            gateway.start()
            base = f"host=127.0.0.1 sslmode=disable user=postgres dbname=postgres port={target.port}"
            door = f"host=127.0.0.1 sslmode=disable user=alice dbname=orders port={gateway.port}"
            found = [
                Contender("direct", base, PASSWORD, list),
                Contender("gatekeep", door, gateway.tokens["alice"], gateway.processes),
            ]
            results: dict[str, dict[str, dict[str, float]]] = {}
            for clients in options.clients:
                for contender in found:
                    contender.runs.clear()
                for _ in range(options.rounds):
                    for contender in found:
                        connections(contender, script, clients, options.seconds)
                results[f"c={clients}"] = {one.name: median_row(one.runs) for one in found}
                spread = {one.name: [round(run["rate"]) for run in one.runs] for one in found}
                print(f"c={clients}", spread, flush=True)
        finally:
            if gateway is not None:
                gateway.stop()
            target.stop()
    print(table(results))


if __name__ == "__main__":
    main()
