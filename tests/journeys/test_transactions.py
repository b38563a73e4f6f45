"""A transaction through the gateway may do what it may do directly, and in the same order."""

from __future__ import annotations

import psycopg
import pytest
from support.journey import Place

pytestmark = pytest.mark.journey

BEFORE_ANY_QUERY = [
    ["BEGIN", "SET TRANSACTION READ ONLY", "SET TRANSACTION READ WRITE", "COMMIT"],
    [
        "BEGIN", "SET TRANSACTION READ ONLY", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SHOW transaction_isolation", "COMMIT",
    ],
    [
        "BEGIN", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        "SET TRANSACTION SNAPSHOT '{snapshot}'", "SHOW transaction_read_only", "COMMIT",
    ],
]  # fmt: skip


@pytest.mark.parametrize("statements", BEFORE_ANY_QUERY, ids=["mode", "isolation", "snapshot"])
def test_what_must_come_before_any_query_is_not_preceded_by_one_of_ours(
    open_place: Place, statements: list[str]
) -> None:
    """Read-only, isolation and a snapshot (pg_dump -j takes all three) are set one after another."""
    with open_place.direct() as exporter, exporter.transaction():
        row = exporter.execute("SELECT pg_export_snapshot()").fetchone()
        assert row is not None
        told = [one.format(snapshot=row[0]) for one in statements]
        with open_place.direct() as direct:
            expected = _answers(direct, told)
        with open_place.connect(autocommit=True) as through:
            assert _answers(through, told) == expected
        assert "ERROR" not in str(expected)


def _answers(connection: psycopg.Connection[object], statements: list[str]) -> list[str]:
    answers = []
    for statement in statements:
        result = connection.pgconn.exec_(statement.encode())
        value = result.get_value(0, 0) if result.ntuples else b""
        answers.append(f"{result.command_status} {value} {result.error_message}")
    return answers
