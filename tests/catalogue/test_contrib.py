"""Extensions and XML, on the distribution's PostgreSQL 15: the wheel's has neither."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from support.attacks import SETUP
from support.plain_reads import PLAIN_READS, SHOP
from support.postgres_server import PostgresServer

from gatekeep.catalogue.reader import read_catalogue
from gatekeep.domain.actions import SqlClass
from gatekeep.domain.catalogue import CatalogueView
from gatekeep.domain.sessions import SessionVector
from gatekeep.protocols.sql.reading import read_statements

_BINARIES = Path("/usr/lib/postgresql/15/bin")
_VECTOR = SessionVector()


@pytest.fixture(scope="module")
def contrib_server() -> Iterator[PostgresServer]:
    """PostgreSQL 15 with contrib and libxml."""
    if not (_BINARIES / "postgres").exists():
        if os.environ.get("CI"):
            pytest.fail(f"{_BINARIES} is missing")
        pytest.skip(f"{_BINARIES} is missing")
    server = PostgresServer(bin_dir=_BINARIES)
    yield server
    server.stop()


async def _prepared(server: PostgresServer, name: str, *setup: str) -> CatalogueView:
    admin = await asyncpg.connect(server.dsn())
    try:
        await admin.execute(f"CREATE DATABASE {name}")
    finally:
        await admin.close()
    connection = await asyncpg.connect(server.dsn(database=name))
    try:
        for text in setup:
            await connection.execute(text)
    finally:
        await connection.close()
    looking = await asyncpg.connect(server.dsn(database=name))
    try:
        return await read_catalogue(looking)
    finally:
        await looking.close()


def _class(text: str, view: CatalogueView, vector: SessionVector = _VECTOR) -> SqlClass:
    return read_statements(text, catalogue=view, vector=vector)[0].sql_class


async def test_reviewed_extensions_count_like_built_ins(contrib_server: PostgresServer) -> None:
    """With citext, hstore, pg_trgm and others installed, plain reads stay proven, and theirs too."""
    extensions = "citext hstore pg_trgm ltree pgcrypto btree_gin btree_gist unaccent fuzzystrmatch"
    made = "; ".join(f"CREATE EXTENSION {name}" for name in (*extensions.split(), '"uuid-ossp"'))
    view = await _prepared(
        contrib_server, "reviewed", made, SHOP, "CREATE TABLE people (email citext, h hstore)"
    )
    reads = (
        *PLAIN_READS,
        "SELECT * FROM people WHERE email = 'A@b.c'",
        "SELECT h -> 'a', h ? 'b' FROM people",
        "SELECT similarity('a', 'b'), 'a' % 'b', uuid_generate_v4(), unaccent('é'), soundex('a')",
        "SELECT 'a.b'::ltree <@ 'a'::ltree, digest('a', 'sha1')",
    )
    missed = [text for text in reads if _class(text, view) is not SqlClass.READ]
    assert missed == []


async def test_other_extensions_never_count(contrib_server: PostgresServer) -> None:
    """dblink, tablefunc, xml2, lo, adminpack: their functions are not reviewed; foreign tables run."""
    made = "; ".join(
        f"CREATE EXTENSION {name}"
        for name in ("dblink", "tablefunc", "xml2", "lo", "adminpack", "file_fdw", "postgres_fdw")
    )
    view = await _prepared(
        contrib_server,
        "unreviewed",
        made,
        "CREATE SERVER f FOREIGN DATA WRAPPER file_fdw;"
        "CREATE FOREIGN TABLE passwd (line text) SERVER f OPTIONS (filename '/etc/passwd');"
        "CREATE VIEW harmless AS SELECT * FROM passwd",
    )
    for text in (
        "SELECT dblink_exec('host=x', 'DELETE FROM t')",
        "SELECT * FROM dblink('host=x', 'SELECT 1') AS x(a int)",
        "SELECT * FROM crosstab('SELECT evil()') AS x(a int)",
        "SELECT lo_oid(1::lo)",
        "SELECT pg_file_write('a', 'b', false)",
        "SELECT * FROM passwd",
        "SELECT * FROM harmless",
    ):
        assert _class(text, view) is not SqlClass.READ, text


async def test_functions_that_read_by_xml_write_and_are_not_read(
    contrib_server: PostgresServer,
) -> None:
    """The `*_to_xml` family and XMLTABLE run user code: executed, seen, never `read`."""
    older = SETUP.replace(
        "CREATE TABLE lab.virtual (id int, v int GENERATED ALWAYS AS (id) VIRTUAL);", ""
    )
    view = await _prepared(contrib_server, "xml", older)
    vector = SessionVector(search_path="lab")
    connection = await asyncpg.connect(
        contrib_server.dsn(database="xml"), server_settings={"search_path": "lab"}
    )
    try:
        for text in (
            "SELECT query_to_xml('SELECT lab.spy(''x'')', true, false, '')",
            "SELECT table_to_xml('lab.viewed', true, false, '')",
            "SELECT schema_to_xml('lab', true, false, '')",
            "SELECT * FROM XMLTABLE('/a' PASSING '<a>x</a>' COLUMNS b dom PATH '.')",
        ):
            before = await connection.fetchval("SELECT count(*) FROM trace")
            await connection.execute(text)
            assert await connection.fetchval("SELECT count(*) FROM trace") > before, text
            assert _class(text, view, vector) is not SqlClass.READ, text
    finally:
        await connection.close()
