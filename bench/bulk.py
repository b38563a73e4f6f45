"""`make bulk`: a large result, and COPY out and in, direct, pooled and through the gateway, in turn.

The client is psycopg on the same machine, so on two cores three programs share them. Every gateway
figure is with full recording. Ratios of one run on one machine are what counts. Prints a table.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from postgres import PASSWORD, contenders, load
from support.gateway import Gateway

from gatekeep.demo.embedded import EmbeddedPostgres

Client = psycopg.Connection[tuple[object, ...]]


def result(client: Client, rows: int) -> None:
    """Rows of about 45 bytes, read one by one, none kept."""
    text = f"SELECT g, md5(g::text) FROM generate_series(1, {rows}) g"  # noqa: S608 - our own number
    with client.cursor() as cursor:
        for _ in cursor.stream(text.encode(), size=1000):
            pass


def copy_out(client: Client, rows: int) -> None:
    """Rows of about 1,008 bytes, none kept."""
    text = f"COPY (SELECT g, repeat('x', 1000) FROM generate_series(1, {rows}) g) TO STDOUT"  # noqa: S608 - our own number
    with client.cursor().copy(text.encode()) as copy:
        for _ in copy:
            pass


def copy_in(client: Client, rows: int) -> None:
    """Rows of 1,002 bytes, rolled back at the end."""
    line = b"x" * 1_001 + b"\n"
    with (
        client.transaction(force_rollback=True),
        client.cursor().copy("COPY filled FROM STDIN") as copy,
    ):
        for _ in range(rows // 100):
            copy.write(line * 100)


CASES: list[tuple[str, Callable[[Client, int], None], int]] = [
    ("result", result, 6), ("copy out", copy_out, 1), ("copy in", copy_in, 1),
]  # fmt: skip


def main() -> None:
    """Run every case and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=500_000, help="of a COPY; a result has six times that")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gatekeep-bulk-") as name:
        scratch = Path(name)
        scratch.chmod(0o755)
        target = EmbeddedPostgres(scratch / "target", PASSWORD, settings={"fsync": "off"})
        target.start()
        load(target)
        (scratch / "gw").mkdir()
        gateway = Gateway(scratch / "gw", target.port, {"postgres": PASSWORD}, database="bench")
        gateway.start()
        found, started = contenders(scratch, target, gateway)
        try:
            ways = {one.name: f"{one.dsn} password={one.password}" for one in found}
            with psycopg.connect(ways["direct"], autocommit=True) as direct:
                direct.execute("CREATE UNLOGGED TABLE filled (x text)")
            print("| case | contender | seconds | of direct's rate |\n|---|---|---|---|")
            for case, run, times in CASES:
                took: dict[str, list[float]] = {way: [] for way in ways}
                for _ in range(options.rounds):
                    for way, dsn in ways.items():
                        with psycopg.connect(dsn, autocommit=True) as client:
                            began = time.perf_counter()
                            run(client, options.rows * times)
                            took[way].append(time.perf_counter() - began)
                straight = statistics.median(took["direct"])
                for way, seconds in took.items():
                    middle = statistics.median(seconds)
                    print(f"| {case} | {way} | {middle:.2f} | {straight / middle:.2f} |")
        finally:
            for process in started:
                process.terminate()
                process.wait()
            gateway.stop()
            target.stop()


if __name__ == "__main__":
    main()
