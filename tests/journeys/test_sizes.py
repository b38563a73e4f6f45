"""Statements too large to parse, and results too large to hold: nothing crashes, nothing grows."""

# ruff: noqa: S608 - statements are the tests' own words
from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import psycopg
import pytest
from support.journal_evidence import of_kind
from support.journey import Place

pytestmark = pytest.mark.journey

_SIZES = [1_000, 10_000, 100_000]
_WHOLE = pytest.param(1_000_000, marks=pytest.mark.soak)

SHAPES = {
    "operators": lambda n: "SELECT " + "+".join(["1"] * n),
    "unions": lambda n: " UNION ".join(["SELECT 1"] * n),
    "parentheses": lambda n: "SELECT " + "(" * n + "1" + ")" * n,
    "in list": lambda n: "SELECT 1 WHERE 1 IN (" + ",".join(map(str, range(n))) + ")",
    "not": lambda n: "SELECT " + "NOT " * n + "true",
    "array": lambda n: "SELECT " + "ARRAY[" * n + "1" + "]" * n,
    "case": lambda n: "SELECT " + "CASE WHEN true THEN " * n + "1" + " END" * n,
}
_GUARD_BYTES = 256 * 1024
_JUDGED_BYTES = 16 << 20


class Neighbour:
    """Another session that asks `SELECT 1` again and again, and notes how long it took."""

    def __init__(self, place: Place) -> None:
        self._connection = place.connect(autocommit=True)
        self._stop = threading.Event()
        self.slowest = 0.0
        self.asked = 0
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._connection.close()

    def _ask(self) -> None:
        while not self._stop.is_set():
            began = time.perf_counter()
            self._connection.execute("SELECT 1")
            self.slowest = max(self.slowest, time.perf_counter() - began)
            self.asked += 1


@pytest.mark.parametrize("size", [*_SIZES, _WHOLE])
@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_a_huge_statement_ends_neither_the_gateway_nor_a_neighbour(
    open_place: Place, shape: str, size: int
) -> None:
    """By Query and by Parse: an answer from the target, the connection goes on, so do others."""
    text = SHAPES[shape](size).encode()
    mark = open_place.evidence.mark()
    with Neighbour(open_place) as neighbour, open_place.connect(autocommit=True) as connection:
        connection.execute("SET statement_timeout = '1s'")
        connection.pgconn.exec_(text)
        assert connection.execute("SELECT 1").fetchone() == (1,)
        connection.pgconn.exec_params(text, None)
        assert connection.execute("SELECT 2").fetchone() == (2,)
    print(f"{shape} {size}: a neighbour's slowest of {neighbour.asked}: {neighbour.slowest * 1e3:.0f} ms")  # noqa: T201 - a figure for people  # fmt: skip
    assert neighbour.asked
    events = open_place.evidence.closed(mark, 2)
    released = of_kind(events, "action.released")
    plain = {"SELECT 1", "SELECT 2", "SET statement_timeout = '1s'"}
    classes = [one["class"] for one in released if one["text"] not in plain]
    if len(text) > _JUDGED_BYTES:
        assert classes == []
        assert {"too_large"} <= {one["cause"] for one in of_kind(events, "action.refused")}
    elif len(text) > _GUARD_BYTES:
        assert set(classes) == {"opaque"}
    assert "Traceback" not in open_place.gateway.log


@pytest.mark.parametrize("mode", ["query", "parse"])
def test_over_16_mib_is_refused_and_the_connection_goes_on(open_place: Place, mode: str) -> None:
    """54000, nothing of it reaches the target, and it is recorded as refused."""
    mark = open_place.evidence.mark()
    text = b"SELECT '" + b"x" * (16 << 20) + b"'"
    with open_place.connect(autocommit=True) as connection:
        pgconn = connection.pgconn
        result = pgconn.exec_(text) if mode == "query" else pgconn.exec_params(text, None)
        assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"54000"
        assert connection.execute("SELECT 1").fetchone() == (1,)
    refused = of_kind(open_place.evidence.closed(mark), "action.refused")
    causes = [one["cause"] for one in refused]
    assert causes == ["too_large"] if mode == "query" else ["too_large", "skipped"]


def _peak_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def _drawn(connection: psycopg.Connection[object], rows: int) -> float:
    """Seconds that a client takes which reads row by row and keeps none."""
    began = time.perf_counter()
    with connection.cursor() as cursor:
        seen = sum(
            1 for _ in cursor.stream(f"SELECT g, md5(g::text) FROM generate_series(1, {rows}) g", size=1000)
        )  # fmt: skip
    assert seen == rows
    return time.perf_counter() - began


def _copied(connection: psycopg.Connection[object], rows: int) -> float:
    """Seconds that a client takes for a COPY TO STDOUT of 1,008 bytes a row, keeping none."""
    began = time.perf_counter()
    text = f"COPY (SELECT g, repeat('x', 1000) FROM generate_series(1, {rows}) g) TO STDOUT"
    with connection.cursor().copy(text) as copy:
        size = sum(len(part) for part in copy)
    assert size > 1_000 * rows
    return time.perf_counter() - began


def _filled(connection: psycopg.Connection[object], rows: int) -> float:
    """Seconds for a COPY FROM STDIN of 1,002 bytes a row, rolled back at its end."""
    began = time.perf_counter()
    line = b"x" * 1_001 + b"\n"
    with (
        connection.transaction(force_rollback=True),
        connection.cursor().copy("COPY filled FROM STDIN") as copy,
    ):
        for _ in range(rows // 100):
            copy.write(line * 100)
    return time.perf_counter() - began


@pytest.fixture(scope="module", autouse=True)
def filled(open_place: Place) -> None:
    """A table to fill; what is rolled back is nowhere logged."""
    open_place.make("CREATE UNLOGGED TABLE filled (x text)")


@pytest.mark.parametrize(
    "rows", [100_000, pytest.param(1_000_000, marks=pytest.mark.soak)], ids=["small", "whole"]
)
@pytest.mark.parametrize("draw", [_drawn, _copied, _filled], ids=["select", "copy out", "copy in"])
def test_what_is_large_passes_with_flat_memory(
    open_place: Place, rows: int, draw: Callable[[psycopg.Connection[object], int], float]
) -> None:
    """The gateway's peak memory grows by no more than 10 MB, whatever passes through it."""
    assert open_place.gateway.process is not None
    pid = open_place.gateway.process.pid
    mark = open_place.evidence.mark()
    with open_place.connect(autocommit=True) as connection:
        draw(connection, 10_000)
        # A peak is remembered for good: what came before this test must not hide what comes now.
        Path(f"/proc/{pid}/clear_refs").write_text("5")
        before = _peak_kb(pid)
        through = draw(connection, rows)
        grown = _peak_kb(pid) - before
    with open_place.direct(account="app_rw") as direct:
        straight = draw(direct, rows)
    print(f"{rows} rows by {draw.__name__}: direct {straight:.2f} s, through {through:.2f} s, ratio {through / straight:.2f}, grown {grown} kB")  # noqa: T201 - a figure for people  # fmt: skip
    assert grown <= 10_240
    finished = of_kind(open_place.evidence.closed(mark), "action.finished")
    assert rows in {one["rows"] for one in finished}
