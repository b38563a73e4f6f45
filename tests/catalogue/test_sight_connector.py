"""The look over the very connections that the gateway makes, also where they are cut."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator

import asyncpg
import pytest
from support import builders
from support.lab import Lab
from support.seeing import Seeing

from gatekeep.catalogue import sight as looking
from gatekeep.catalogue.desk import Catalogues
from gatekeep.catalogue.sight import TargetSights
from gatekeep.domain.targets import Account, TargetTls
from gatekeep.messages import sight as words
from gatekeep.proxies.postgres.lookup import LookUps
from gatekeep.proxies.postgres.target import TargetConnector
from gatekeep.runtime.clock import SystemClock, random_bytes
from gatekeep.runtime.offload import Offload


@pytest.fixture
async def seeing(lab: Lab) -> AsyncIterator[Seeing]:
    """Sights over the gateway's own look-up connections."""
    await lab.run("CREATE TABLE t (id int); INSERT INTO t VALUES (1), (2); ANALYZE t")
    offload = Offload()
    look_ups = LookUps(TargetConnector(random_bytes, offload), lambda _reference: "x")
    made = Seeing(lab)
    accounts = {lab.role: Account(lab.role, "env:SECRET")}
    target = builders.target(port=lab.server.port, tls=TargetTls.DISABLE, accounts=accounts)
    made.session = builders.session(target=target, account=lab.role, database=lab.name)
    clock = SystemClock()
    made.catalogues = Catalogues(look_ups.connect, clock)
    made.sights = TargetSights(look_ups.connect, made.catalogues, clock)
    yield made
    await made.close()
    await look_ups.close()
    offload.close()


async def test_the_gateways_connections_do(seeing: Seeing) -> None:
    """With values and without; and none of them is left behind."""
    assert (await seeing.look("DELETE FROM t"))["rows_estimate"] == 2
    assert (await seeing.look("DELETE FROM t WHERE id = $1", values=1))["rows_estimate"] == 1
    await _alone(seeing)


async def test_a_look_that_is_cut_in_the_middle_leaves_nothing(
    seeing: Seeing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the target does not give up by itself we do: on time, without a sound."""
    monkeypatch.setattr(looking, "_FOR_THE_WAY_NS", -60 * 1_000_000_000)
    seeing.sights._limit_s = 0.5
    other = await asyncpg.connect(seeing.lab.server.dsn(database=seeing.lab.name))
    try:
        await other.execute("BEGIN; LOCK t IN ACCESS EXCLUSIVE MODE")
        with caplog.at_level(logging.ERROR):
            sight = await seeing.look("DELETE FROM t")
            gc.collect()
        assert sight["no_estimate"] == words.NOT_IN_TIME
        assert sight["rows_total"] == 2
        assert sight["taken_us"] < 2_000_000
        assert caplog.records == []
        await other.execute("ROLLBACK")
    finally:
        await other.close()
    await _alone(seeing)


async def test_a_look_that_nobody_waits_for_any_more_ends(seeing: Seeing) -> None:
    """The client left: its look is cancelled and lets go of everything."""
    other = await asyncpg.connect(seeing.lab.server.dsn(database=seeing.lab.name))
    try:
        await other.execute("BEGIN; LOCK t IN ACCESS EXCLUSIVE MODE")
        task = asyncio.ensure_future(seeing.look("DELETE FROM t"))
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 't'::regclass"
        async with asyncio.timeout(10):
            while not await other.fetchval(waiting):
                pass
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()
        await other.execute("ROLLBACK")
    finally:
        await other.close()
    await _alone(seeing)


async def _alone(seeing: Seeing) -> None:
    """Wait until the account has no connection at the target."""
    admin = await asyncpg.connect(seeing.lab.server.dsn())
    try:
        async with asyncio.timeout(10):
            while await admin.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE usename = $1", seeing.account
            ):
                pass
    finally:
        await admin.close()
