"""An ordinary day in psql under the preset balanced: nothing is asked that need not be.

The queries are psql's own (`-E` shows them), the catalogue is that of the running server.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path

import asyncpg
import pytest
from support.builders import principal, target
from support.policies import MEMBERS
from support.postgres_server import PostgresServer

from gatekeep.catalogue.reader import read_catalogue
from gatekeep.cli.policy_files import load_policy_directory
from gatekeep.domain.catalogue import CatalogueView
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.sessions import SessionVector
from gatekeep.policy.engine import Engine
from gatekeep.policy.explain import explain_sql
from gatekeep.policy.request import Place
from gatekeep.protocols.sql.reading import read_statements

SHIPPED = Path(__file__).parents[2] / "config" / "policy"
SHOP = """
DROP SCHEMA IF EXISTS day CASCADE; CREATE SCHEMA day;
CREATE TABLE day.customers (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE day.orders (id int PRIMARY KEY, customer int REFERENCES day.customers, status text);
"""
COMMANDS = (r"\d", r"\dt day.*", r"\d day.orders", r"\dn", r"\di day.*", r"\d+ day.customers")
BY_HAND = (
    "BEGIN",
    ("SELECT c.name, count(*) FROM day.orders o JOIN day.customers c ON c.id = o.customer "
    "WHERE o.status = 'open' GROUP BY c.name ORDER BY 2 DESC LIMIT 10"),
    "SELECT now(), current_user, version()",
    "EXPLAIN SELECT * FROM day.orders WHERE id = 7",
    "SHOW search_path",
    "SET statement_timeout = '5s'",
    "SET application_name = 'psql'",
    "SET TIME ZONE 'Europe/Berlin'",
    "SET search_path = day, public",
    "COMMIT",
)


@pytest.fixture(scope="module")
def view(postgres_server: PostgresServer) -> CatalogueView:
    """The catalogue of the server, with a small shop in it."""

    async def read() -> CatalogueView:
        connection = await asyncpg.connect(postgres_server.dsn())
        await connection.execute(SHOP)
        try:
            return await read_catalogue(connection)
        finally:
            await connection.close()

    return asyncio.run(read())


def _verdict(text: str, view: CatalogueView) -> tuple[Verdict, str]:
    engine = Engine(load_policy_directory(SHIPPED), MEMBERS)
    place = Place(principal(), target(), "app_rw", "shop", "127.0.0.1")
    vector = SessionVector(search_path=view.search_path)
    facts = read_statements(text, catalogue=view, vector=vector)
    decision = explain_sql(engine, engine.standing(place.principal, place.target), place, facts, "simple")
    return decision.verdict, f"{decision.rule}: {[one.unproven for one in facts]}"


@pytest.mark.parametrize("command", COMMANDS)
def test_what_psql_asks_of_its_own_is_free(
    command: str, postgres_server: PostgresServer, view: CatalogueView
) -> None:
    """Each query behind a backslash command is a proven read for an engineer in production."""
    shown = subprocess.run(
        [str(postgres_server.psql), postgres_server.dsn(), "-X", "-E", "-c", command],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    queries = re.findall(
        r"^\S* QUERY \S*\n(.*?)^[/*-]*\**$", shown.stdout, re.MULTILINE | re.DOTALL
    )
    assert queries, shown.stdout
    for query in queries:
        verdict, why = _verdict(query, view)
        assert verdict is Verdict.ALLOW, f"{why}\n{query}"


@pytest.mark.parametrize("text", BY_HAND)
def test_what_an_engineer_types_all_day_is_free(text: str, view: CatalogueView) -> None:
    """Joins, transactions, settings."""
    verdict, why = _verdict(text, view)
    assert verdict is Verdict.ALLOW, why


def test_samples_and_hashes_stay_out_of_reach(view: CatalogueView) -> None:
    """The same day, with a look where nobody should look."""
    for text in ("SELECT * FROM pg_stats", "SELECT rolpassword FROM pg_authid", "TABLE PG_STATS"):
        verdict, why = _verdict(text, view)
        assert verdict is Verdict.DENY, why
        assert why.startswith("secrets-are-not-read")
