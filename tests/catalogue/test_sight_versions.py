"""The same look at older targets: their plans, their catalogue, their way with bound values."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.lab import Lab
from support.postgres_server import PostgresServer, wheel_binaries
from support.seeing import LAB, Seeing

from gatekeep.messages import sight as words

_DEBIAN = Path("/usr/lib/postgresql/15/bin")
_STOCK = """
CREATE TABLE customers (id int PRIMARY KEY, region int);
INSERT INTO customers SELECT g, g % 10 FROM generate_series(1, 10000) g;
CREATE TABLE empty (id int);
CREATE TABLE parts (id int, n int) PARTITION BY RANGE (id);
CREATE TABLE parts_a PARTITION OF parts FOR VALUES FROM (0) TO (1000);
CREATE TABLE parts_b PARTITION OF parts FOR VALUES FROM (1000) TO (2000);
INSERT INTO parts SELECT g, g FROM generate_series(0, 1999) g;
ANALYZE;
CREATE SCHEMA lab;
CREATE FUNCTION lab.imm() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN 1; END $$;
CREATE TABLE lab.orders (id int);
"""


@pytest.fixture(scope="module", params=[15, 16])
def older_server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """The distribution's 15 and the wheel's 16."""
    binaries = _DEBIAN if request.param == 15 else wheel_binaries(16)
    if not (binaries / "postgres").exists():
        if os.environ.get("CI"):
            pytest.fail(f"{binaries} is missing")
        pytest.skip(f"{binaries} is missing")
    server = PostgresServer(bin_dir=binaries)
    yield server
    server.stop()


async def test_older_targets_are_looked_at_alike(older_server: PostgresServer) -> None:
    """Estimates, partitions, bound values, what was never analysed, and what is not planned."""
    lab = Lab(older_server)
    await lab.admin(f"CREATE ROLE {lab.role} LOGIN PASSWORD 'x'")
    await lab.admin(f"CREATE DATABASE {lab.name} OWNER {lab.role}")
    await lab.run(_STOCK)
    seeing = Seeing(lab)
    try:
        sight = await seeing.look("DELETE FROM customers")
        assert words.rows(sight) == "about 10,000 rows of 10,000, no index"
        sight = await seeing.look("DELETE FROM parts WHERE id < 500")
        assert sight["rows_estimate"] == pytest.approx(500, rel=0.1)
        assert (sight["rows_total"], sight["index_used"]) == (2000, "")
        sight = await seeing.look("DELETE FROM parts WHERE n < $1", values=1)
        assert 0 < sight["rows_estimate"] < 2000
        sight = await seeing.look("UPDATE customers SET region = 1 WHERE id = $1", values=1)
        assert (sight["rows_estimate"], sight["index_used"]) == (1, "customers_pkey")
        sight = await seeing.look("DELETE FROM empty")
        assert (sight["rows_total"], sight["analysed"]) == (0, True)
        sight = await seeing.look("DELETE FROM orders WHERE id = imm()", LAB)
        assert sight["no_estimate"] == "runs lab.imm"
        assert sight["analysed"] is False
    finally:
        await seeing.close()
        await lab.admin(f"DROP DATABASE {lab.name} WITH (FORCE)")
        await lab.admin(f"DROP ROLE {lab.role}")
