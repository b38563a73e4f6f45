"""JDBC, node-postgres and pgx, each through a small program of its own, under `balanced`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.client_tools import CLIENTS, jdbc_driver, node_modules, pgx_client, run
from support.journey import Place

pytestmark = [pytest.mark.journey, pytest.mark.usefixtures("nothing_refused")]
Recorded = Callable[[], list[tuple[str, dict[str, Any]]]]
_CATALOGUE = ("pg_catalog", "pg_type", "pg_class", "information_schema")


def _token(place: Place) -> str:
    return place.gateway.tokens["alice"]


def _catalogue_reads(recorded: Recorded) -> list[dict[str, Any]]:
    asked = [
        payload
        for _, payload in recorded()
        if any(word in str(payload["text"]) for word in _CATALOGUE)
    ]
    assert {one["class"] for one in asked} <= {"read"}, [
        (one["text"], one["unproven"]) for one in asked if one["class"] != "read"
    ]
    return asked


def test_jdbc(place: Place, recorded: Recorded) -> None:
    """Its metadata calls are reads; prepared statements, batches, portions and savepoints work."""
    jar = jdbc_driver()
    url = f"jdbc:postgresql://127.0.0.1:{place.gateway.port}/orders?sslmode=disable"
    said = run(
        "java", "-XX:TieredStopAtLevel=1", "-cp", str(jar), str(CLIENTS / "Jdbc.java"), url,
        "alice", _token(place), "notes",
    )  # fmt: skip
    assert said[-1] == "done"
    assert {"keys 1", "imported 1", "indexes 5", "array 2 status"} <= set(said)
    for line in ("portions 60", "batch 500", "generated 500", "state 22012", "changed 10"):
        assert said.count(line) == 3, (line, said)
    assert len(_catalogue_reads(recorded)) >= 20


def test_node_postgres(place: Place, recorded: Recorded) -> None:
    """A pool, named statements, a cursor in portions, transactions, LISTEN."""
    modules = node_modules()
    said = run(
        "node", str(CLIENTS / "node.js"), "127.0.0.1", str(place.gateway.port), "alice",
        _token(place), "orders", "notes", environment={"NODE_PATH": str(modules)},
    )  # fmt: skip
    assert said == [
        "pool 820", "types 1 2 new", "cursor 60", "transaction 22012 1", "several 2", "binary 7",
        "listens", "done",
    ]  # fmt: skip
    assert "UPDATE" in {payload["verb"] for _, payload in recorded()}


def test_pgx(place: Place, recorded: Recorded, tmp_path: Path) -> None:
    """Batches in a pipeline, its type loading, nested transactions, all five execution modes."""
    client = pgx_client(tmp_path)
    dsn = f"postgres://alice:{_token(place)}@127.0.0.1:{place.gateway.port}/orders?sslmode=disable"
    said = run(str(client), dsn, "notes")
    assert said == ["batch 870", "types new 2", "transaction 22012 1", "modes 5", "done"]
    assert len(_catalogue_reads(recorded)) >= 1
