"""Through the gateway to a target with TLS: what its settings demand holds for whole sessions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from support import tls_target
from support.journal_evidence import of_kind
from support.journey import PASSWORD, Place, start
from support.target_ways import PASSWORD as SECRET

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def target() -> Iterator[tls_target.TlsTarget]:
    """Debian's PostgreSQL with TLS."""
    yield from tls_target.start()


def before(target: tls_target.TlsTarget, **extra: Any) -> Iterator[Place]:
    """A gateway with these settings of the target."""
    demands = {"tls": "verify-full", "tls_ca": target.ca, **extra}
    yield from start(
        target.server, database="postgres", accounts={"scram_user": SECRET, "cert_user": PASSWORD},
        target_extra=demands,
    )  # fmt: skip


@pytest.fixture(scope="module")
def bound(target: tls_target.TlsTarget) -> Iterator[Place]:
    """The proof must be bound to the target's certificate."""
    yield from before(target, channel_binding="require")


@pytest.fixture(scope="module")
def certified(target: tls_target.TlsTarget) -> Iterator[Place]:
    """A client certificate and nothing else."""
    files = target.clients["cert_user"]
    login = {"certificate": f"file:{files.certificate}", "key": f"file:{files.key}"}
    yield from before(target, auth="certificate", accounts={"cert_user": login})


def test_a_session_over_a_bound_proof(bound: Place) -> None:
    """Statements are proven to read, so the catalogue was looked up over the same way."""
    mark = bound.evidence.mark()
    query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    with bound.connect(account="scram_user", autocommit=True) as connection:
        assert connection.execute(query).fetchone() == (True,)
        assert connection.execute("SELECT 1").fetchone() == (1,)
    events = bound.evidence.closed(mark)
    assert of_kind(events, "action.released")[-1]["class"] == "read"


def test_a_session_by_certificate(certified: Place) -> None:
    """The target knows whom it let in by it."""
    query = "SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    with certified.connect(autocommit=True) as connection:
        assert connection.execute(query).fetchone() == ("/CN=cert_user",)


def test_a_certificate_that_the_target_does_not_know(
    target: tls_target.TlsTarget, certified: Place
) -> None:
    """The client reads that the target does not answer; the log says why, and never the key."""
    mark = certified.evidence.mark()
    login = {"certificate": f"file:{target.strange.certificate}",
             "key": f"file:{target.strange.key}"}  # fmt: skip
    extra = {"auth": "certificate", "tls": "verify-full", "tls_ca": target.ca}
    certified.gateway.target_extra = {**extra, "accounts": {"cert_user": login}}
    certified.gateway._configure()
    assert certified.gateway.run("reload").returncode == 0
    with pytest.raises(psycopg.OperationalError, match="gatekeep: orders does not answer"):
        certified.connect()
    (fault,) = of_kind(certified.evidence.closed(mark), "target.fault")
    assert re.search("certificate|ALERT|unknown ca", fault["what"], re.IGNORECASE)
    assert "PRIVATE" not in certified.gateway.log
