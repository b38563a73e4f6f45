"""Clients over TLS that they verify, with channel binding where they have it."""

from __future__ import annotations

import ssl
from pathlib import Path

import asyncpg
import psycopg
import pytest
from support.certificates import Authority
from support.client_tools import CLIENTS, jdbc_driver, node_modules, pgx_client, run
from support.journey import Place

pytestmark = [pytest.mark.journey, pytest.mark.usefixtures("nothing_refused")]


def _verified(place: Place, authority: Authority, **more: str) -> str:
    extra = {"sslmode": "verify-full", "sslrootcert": str(authority.certificate), **more}
    return place.dsn(**extra)


def test_libpq_binds_its_password_to_the_channel(old_place: Place, authority: Authority) -> None:
    """`channel_binding=require` and `verify-full` hold, and the session is recorded as TLS."""
    mark = old_place.evidence.mark()
    dsn = _verified(old_place, authority, channel_binding="require")
    with psycopg.connect(dsn, autocommit=True) as connection:
        assert connection.pgconn.ssl_in_use
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (60,)
    opened = old_place.evidence.with_kind(mark, "session.opened")
    assert (opened.payload or {})["tls"]


async def test_asyncpg(old_place: Place, authority: Authority) -> None:
    """Its own TLS, and its introspection before an older server."""
    context = ssl.create_default_context(cafile=str(authority.certificate))
    connection = await asyncpg.connect(**{**old_place.asyncpg(), "ssl": context})
    try:
        row = await connection.fetchrow("SELECT ARRAY['new']::status[], ROW('a', 'b')::place")
        assert row[0] == ["new"]
    finally:
        await connection.close()


def test_jdbc(old_place: Place, authority: Authority) -> None:
    """The whole program, with channel binding required."""
    url = (
        f"jdbc:postgresql://127.0.0.1:{old_place.gateway.port}/orders?sslmode=verify-full"
        f"&sslrootcert={authority.certificate}&channelBinding=require"
    )
    token = old_place.gateway.tokens["alice"]
    program = str(CLIENTS / "Jdbc.java")
    said = run(
        "java",
        "-XX:TieredStopAtLevel=1",
        "-cp",
        str(jdbc_driver()),
        program,
        url,
        "alice",
        token,
        "notes",
    )
    assert said[-1] == "done"


def test_node_postgres(old_place: Place, authority: Authority) -> None:
    """The whole program, with channel binding enabled."""
    said = run(
        "node", str(CLIENTS / "node.js"), "127.0.0.1", str(old_place.gateway.port), "alice",
        old_place.gateway.tokens["alice"], "orders", "notes", str(authority.certificate),
        environment={"NODE_PATH": str(node_modules())},
    )  # fmt: skip
    assert said[-1] == "done"


def test_pgx(old_place: Place, authority: Authority, tmp_path: Path) -> None:
    """The whole program over a verified connection."""
    said = run(str(pgx_client(tmp_path)), _verified(old_place, authority), "notes")
    assert said[-1] == "done"
