"""One target and one gateway for each policy, shared by the journeys of a test worker."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from support.attacks import SETUP
from support.certificates import Authority
from support.gateway import PERMISSIVE
from support.journey import DATABASE, PASSWORD, Place, start
from support.postgres_server import PostgresServer
from support.ssh_journey import SshWay, gateway_way, straight_way
from support.ssh_target import SshTarget

GUARDED = (
    PERMISSIVE
    + """
@id("no-drop")
@why("tables are dropped by migrations")
@owner("data-platform")
forbid(principal, action in Action::"sql", resource) when { context.verb == "DROP TABLE" };

@id("no-deletes-of-kept")
forbid(principal, action in Action::"sql", resource)
when { context.verb == "DELETE" && context.tables_written.contains("public.kept") };

@id("some-take-no-rows")
forbid(principal, action == Action::"sql.copy", resource)
when { context.tables_written.contains("public.ledger") || context.tables_written.contains("public.shelf") };

@id("comments-need-dba")
@why("a DBA looks")
@owner("dba")
forbid(principal, action in Action::"sql", resource) when { context.verb like "COMMENT*" }
unless { context has approval && context.approval.groups.contains("dba") };
"""
)

READING = """
@id("opens")
permit(principal, action == Action::"session.open", resource);
@id("reads")
permit(principal, action == Action::"sql.read", resource);
@id("plain-session")
permit(principal, action == Action::"sql.session", resource) when {
  context.roles.isEmpty() && ["search_path", "statement_timeout"].containsAll(context.settings)
};
@id("tokens")
permit(principal, action in Action::"gateway", resource);
"""

LEGIBLE = (
    PERMISSIVE
    + """
@id("no-riddles")
forbid(principal, action == Action::"sql.opaque", resource);
"""
)


@pytest.fixture(scope="session")
def target(postgres_server: PostgresServer) -> PostgresServer:
    """A target with an owner of a database and a mere reader of it."""
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as admin:
        admin.execute(f"CREATE ROLE app_rw LOGIN PASSWORD '{PASSWORD}'")
        admin.execute(f"CREATE ROLE app_ro LOGIN PASSWORD '{PASSWORD}'")
        admin.execute(f"CREATE DATABASE {DATABASE} OWNER app_rw")
    with psycopg.connect(postgres_server.dsn(database=DATABASE), autocommit=True) as admin:
        admin.execute("ALTER SCHEMA public OWNER TO app_rw")
    return postgres_server


@pytest.fixture(scope="session")
def open_place(target: PostgresServer) -> Iterator[Place]:
    """Everything is permitted."""
    yield from start(target)


@pytest.fixture(scope="session")
def guarded_place(target: PostgresServer) -> Iterator[Place]:
    """Everything but DROP TABLE, DELETE from `kept`, COPY into `ledger` and `shelf`, and COMMENT, which asks in vain."""
    yield from start(
        target, policy=GUARDED, accounts={"app_ro": PASSWORD, "app_rw": PASSWORD},
        groups={"alice": "engineers", "bob": "dba"},
        extra_settings={"approvals": {"open_s": 0.1, "in_transaction_s": 0.1}},
    )  # fmt: skip


@pytest.fixture(scope="session")
def tls_place(target: PostgresServer) -> Iterator[Place]:
    """Everything is permitted, and TLS is required."""
    directory = Path(tempfile.mkdtemp(prefix="gk-c-"))
    files = Authority(directory).issue("door", edwards=True)
    settings = {"postgres": {"certificate": str(files.certificate), "key": str(files.key)}}
    yield from start(target, tls="require", extra_settings=settings)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def reading_place(target: PostgresServer) -> Iterator[Place]:
    """Reads alone are permitted, in a database full of code that writes when it is read."""
    with psycopg.connect(target.dsn(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE attacked OWNER app_rw")
    with psycopg.connect(target.dsn(database="attacked"), autocommit=True) as admin:
        admin.execute("GRANT ALL ON SCHEMA public TO app_rw")
    with psycopg.connect(
        target.dsn(database="attacked", user="app_rw", password=PASSWORD), autocommit=True
    ) as owner:
        owner.execute(SETUP)
        owner.execute("ALTER ROLE app_rw IN DATABASE attacked SET search_path = lab, public")
    yield from start(target, policy=READING, database="attacked")


@pytest.fixture(scope="session")
def legible_place(target: PostgresServer) -> Iterator[Place]:
    """Everything is permitted that can be read."""
    yield from start(target, policy=LEGIBLE)


@pytest.fixture(scope="session")
def ssh_target() -> Iterator[SshTarget]:
    """A real sshd."""
    running = SshTarget()
    yield running
    running.stop()


@pytest.fixture(scope="session", params=["direct", "gateway"])
def ssh_way(
    request: pytest.FixtureRequest, ssh_target: SshTarget, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SshWay]:
    """Each story is told of the straight way, and of the way through a gateway."""
    straight = straight_way(ssh_target, tmp_path_factory.mktemp("straight"))
    if request.param == "direct":
        yield straight
    else:
        yield from gateway_way(ssh_target, tmp_path_factory.mktemp("gateway"), straight)
