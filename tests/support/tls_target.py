"""A PostgreSQL with TLS and an account for every way of signing in, and the ways to it."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from support.certificates import Authority, CertificateFiles
from support.postgres_server import PostgresServer
from support.target_ways import PASSWORD

from gatekeep.domain.targets import TargetTls
from gatekeep.proxies.postgres.target import Dial
from gatekeep.proxies.postgres.target_tls import ClientCertificate

DEBIAN = Path("/usr/lib/postgresql/15/bin")
HBA = """
hostssl all cert_user 127.0.0.1/32 cert
host all cert_user 127.0.0.1/32 reject
hostssl all both_user 127.0.0.1/32 scram-sha-256 clientcert=verify-full
host all both_user 127.0.0.1/32 reject
host all md5_user 127.0.0.1/32 md5
host all clear_user 127.0.0.1/32 password
host all trust_user 127.0.0.1/32 trust
host all reject_user 127.0.0.1/32 reject
host all all 127.0.0.1/32 scram-sha-256
"""


@dataclass(frozen=True, slots=True)
class TlsTarget:
    """A PostgreSQL that speaks TLS, the CA that signed it, and one that did not.

    `clients` are certificates of that CA by account; `strange` is one of the other CA.
    """

    server: PostgresServer
    ca: str
    other_ca: str
    clients: dict[str, CertificateFiles]
    strange: CertificateFiles


def start() -> Iterator[TlsTarget]:
    """Debian's PostgreSQL (the wheel's has no TLS) with accounts for every method."""
    if not DEBIAN.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("postgresql-15 is not installed")
        pytest.skip("postgresql-15 is not installed")
    directory = Path(tempfile.mkdtemp(prefix="gk-tls-"))
    directory.chmod(0o755)
    authority, other = Authority(directory), Authority(directory, "other")
    leaf = authority.issue("target", hosts=("127.0.0.1", "db.example"))
    if os.geteuid() == 0:
        os.chown(leaf.key, pwd.getpwnam("nobody").pw_uid, -1)
    hba = directory / "pg_hba.conf"
    hba.write_text(HBA)
    server = PostgresServer(
        bin_dir=DEBIAN,
        settings={
            "ssl": "on", "ssl_cert_file": str(leaf.certificate), "ssl_key_file": str(leaf.key),
            "ssl_ca_file": str(authority.certificate), "hba_file": str(hba),
        },
    )  # fmt: skip
    try:
        asyncio.run(_accounts(server))
        yield TlsTarget(
            server, str(authority.certificate), str(other.certificate),
            {name: authority.issue(name, hosts=()) for name in ("cert_user", "both_user")},
            other.issue("strange", hosts=()),
        )  # fmt: skip
    finally:
        server.stop()
        shutil.rmtree(directory)


async def _accounts(server: PostgresServer) -> None:
    connection = await asyncpg.connect(server.dsn())
    for name in ("scram_user", "clear_user", "trust_user", "reject_user", "cert_user", "both_user"):
        await connection.execute(f"create role {name} login password '{PASSWORD}'")
    await connection.execute("set password_encryption = 'md5'")
    await connection.execute(f"create role md5_user login password '{PASSWORD}'")
    await connection.execute("create database closed")
    await connection.execute("revoke connect on database closed from public")
    await connection.execute("alter role scram_user set standard_conforming_strings = off")
    await connection.close()


def way(
    target: TlsTarget, tls: TargetTls = TargetTls.VERIFY_FULL, *, ca: str | None = None,
    host: str = "127.0.0.1", shown: CertificateFiles | None = None,
) -> Dial:  # fmt: skip
    """How to get there; with the right CA unless another is named."""
    return Dial(
        "orders", host, target.server.port, tls, target.ca if ca is None else ca,
        shown=texts(shown) if shown else None,
    )  # fmt: skip


def texts(files: CertificateFiles) -> ClientCertificate:
    """A certificate and its key as texts."""
    return ClientCertificate(files.certificate.read_text(), files.key.read_text())
