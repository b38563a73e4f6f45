"""One furnished database behind one gateway that runs the preset `balanced`, for all clients.

alice is an engineer: she reads, and changes rows. bob is a DBA: he also changes structure. erin may
do anything: she is for what works on the wire and is not for policy to hold up here.
"""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.certificates import Authority
from support.furnished import FURNISHED
from support.journal_evidence import kind
from support.journey import PASSWORD, Place, start
from support.postgres_server import PostgresServer

BALANCED = Path(__file__).parents[2] / "config" / "policy" / "presets" / "balanced.cedar"
DEBIAN = Path("/usr/lib/postgresql/15/bin")
ACCOUNT = "clerk"


ANYTHING = """
@id("test-anything")
permit (principal in Group::"robots", action, resource);
"""


def furnished(server: PostgresServer, database: str) -> None:
    """A database of that name that the account owns, with everything in it."""
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(
            f"DO $$ BEGIN CREATE ROLE {ACCOUNT} LOGIN PASSWORD '{PASSWORD}';"
            " EXCEPTION WHEN duplicate_object THEN NULL; END $$".encode()
        )
        admin.execute(f"CREATE DATABASE {database} OWNER {ACCOUNT}".encode())
    with psycopg.connect(server.dsn(database=database), autocommit=True) as admin:
        admin.execute(f"ALTER SCHEMA public OWNER TO {ACCOUNT}".encode())
    owner = server.dsn(database=database, user=ACCOUNT, password=PASSWORD)
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(FURNISHED.encode())


def _opened(
    server: PostgresServer, database: str, settings: dict[str, Any] | None = None, **extra: Any
) -> Iterator[Place]:
    """Nobody answers there, so whatever is asked about fails soon."""
    furnished(server, database)
    soon = {"approvals": {"open_s": 0.1, "in_transaction_s": 0.1}}
    yield from start(
        server, policy=BALANCED.read_text() + ANYTHING, accounts={ACCOUNT: PASSWORD},
        database=database, groups={"alice": "engineers", "bob": "dba", "erin": "robots"},
        extra_settings={**soon, **(settings or {})}, **extra,
    )  # fmt: skip


@pytest.fixture(scope="session")
def place(postgres_server: PostgresServer) -> Iterator[Place]:
    """The gateway before PostgreSQL 18."""
    yield from _opened(postgres_server, "compat")


@pytest.fixture(scope="session")
def production_place(postgres_server: PostgresServer) -> Iterator[Place]:
    """The same database server, as a target that belongs to production."""
    yield from _opened(postgres_server, "production", target_extra={"environment": "prod"})


@pytest.fixture(scope="session")
def authority() -> Iterator[Authority]:
    """Who signs the certificates of the door and of the older target."""
    directory = Path(tempfile.mkdtemp(prefix="gk-ca-"))
    directory.chmod(0o755)
    yield Authority(directory)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def old_place(authority: Authority) -> Iterator[Place]:
    """The same before the distribution's PostgreSQL 15, with TLS that is verified on both sides."""
    if not (DEBIAN / "postgres").exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{DEBIAN} is missing")
    door, target = authority.issue("door"), authority.issue("target")
    if os.geteuid() == 0:
        os.chown(target.key, pwd.getpwnam("nobody").pw_uid, -1)
    own = {
        "ssl": "on", "ssl_cert_file": str(target.certificate), "ssl_key_file": str(target.key),
    }  # fmt: skip
    server = PostgresServer(bin_dir=DEBIAN, settings=own)
    try:
        yield from _opened(
            server, "compat", tls="prefer",
            target_extra={"tls": "verify-full", "tls_ca": str(authority.certificate)},
            settings={"postgres": {"certificate": str(door.certificate), "key": str(door.key)}},
        )  # fmt: skip
    finally:
        server.stop()


@pytest.fixture
def recorded(place: Place) -> Callable[[], list[tuple[str, dict[str, Any]]]]:
    """What the journal holds of the actions since the test began: kind and payload of each."""
    mark = place.evidence.mark()

    def read() -> list[tuple[str, dict[str, Any]]]:
        events = place.evidence.closed(mark)
        return [
            (kind(one), dict(one.payload or {}))
            for one in events
            if kind(one) in {"action.released", "action.refused"}
        ]

    return read


@pytest.fixture
def nothing_refused(request: pytest.FixtureRequest) -> Iterator[None]:
    """No action of the test was refused, at whatever gateway it was."""
    name = "old_place" if "old_place" in request.fixturenames else "place"
    evidence = request.getfixturevalue(name).evidence
    mark = evidence.mark()
    yield
    refused = [dict(e.payload or {}) for e in evidence.closed(mark) if kind(e) == "action.refused"]
    assert [
        (one["text"], one["class"], one.get("unproven"), one["decision"]) for one in refused
    ] == []
