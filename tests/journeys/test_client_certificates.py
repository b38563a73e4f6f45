"""Engineers with certificates in place of tokens: psql gets in, and a revocation shows them out."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from support.certificates import Authority, CertificateFiles
from support.gateway import Gateway
from support.postgres_server import PostgresServer
from support.running_gateway import own_database, running_gateway, until

pytestmark = pytest.mark.journey


@dataclass
class Certified:
    """A gateway whose door takes certificates, and who issues them."""

    gateway: Gateway
    clients: Authority
    trust: Path

    def dsn(self, shown: CertificateFiles, user: str = "alice") -> str:
        """How libpq is told to come with a certificate and no token."""
        return (
            f"host=127.0.0.1 port={self.gateway.port} user={user} dbname=orders "
            f"sslmode=verify-full sslrootcert={self.trust} "
            f"sslcert={shown.certificate} sslkey={shown.key}"
        )

    def reload(self) -> None:
        """Read the files anew, and wait until that is done."""
        done = self.gateway.run("reload")
        assert done.returncode == 0, done.stderr


@pytest.fixture
def certified(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[Certified]:
    """Alice is a principal; nothing is revoked yet."""
    ours, clients = Authority(tmp_path), Authority(tmp_path, "clients")
    leaf = ours.issue("door")
    door = {
        "certificate": str(leaf.certificate), "key": str(leaf.key),
        "client_ca": str(clients.certificate), "client_crl": str(clients.revoke()),
    }  # fmt: skip
    with (
        own_database(postgres_server) as database,
        running_gateway(
            postgres_server, database=database, tls="require", extra_settings={"postgres": door}
        ) as gateway,
    ):
        yield Certified(gateway, clients, ours.certificate)


def test_psql_with_a_certificate(certified: Certified) -> None:
    """Works without a token; under another name it is refused in words that say why."""
    shown = certified.clients.issue("alice")
    for user, code, said in (("alice", 0, "42"), ("bob", 2, "not this principal's")):
        done = subprocess.run(
            ["/usr/bin/psql", "-X", "-At", "-w", "-c", "SELECT 42", certified.dsn(shown, user)],
            capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        assert said in done.stdout + done.stderr


def test_a_revocation_shows_out_who_is_in(certified: Certified) -> None:
    """After a reload the session ends with 57P01 though its client only listens; others stay."""
    kept = certified.clients.issue("alice")
    stolen = certified.clients.issue("alice", file="stolen")
    with (
        psycopg.connect(certified.dsn(kept), autocommit=True) as stays,
        psycopg.connect(certified.dsn(stolen), autocommit=True) as leaves,
    ):
        assert leaves.execute("SELECT 1").fetchone() == (1,)
        certified.clients.revoke(stolen)
        certified.reload()
        heard: list[str] = []

        def gone() -> bool:
            try:
                leaves.execute("SELECT 1")
            except psycopg.OperationalError as error:
                heard.append(f"{error.sqlstate} {error}")
                return True
            return False

        begun = time.monotonic()
        until(gone, "the end of the session")
        assert time.monotonic() - begun < 5
        assert heard[0].startswith("57P01"), heard
        assert "its certificate no longer works" in heard[0]
        assert stays.execute("SELECT 2").fetchone() == (2,)
        with pytest.raises(psycopg.OperationalError, match="certificate revoked"):
            psycopg.connect(certified.dsn(stolen))
