"""The desk that keeps catalogue views: age, one look-up at a time, failure, DDL."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
from support.postgres_server import PostgresServer

from gatekeep.catalogue.desk import KEPT_NS, RETRY_NS, UNSETTLED_NS, Catalogues
from gatekeep.domain.identity import Principal
from gatekeep.domain.sessions import Session
from gatekeep.domain.targets import Target, TargetKind


class Hands:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.now = 10 * KEPT_NS

    def wall_us(self) -> int:
        """Wall time."""
        return self.now // 1000

    def monotonic_ns(self) -> int:
        """Monotonic time."""
        return self.now


class Door:
    """Opens connections and counts them; may be shut."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.opened = 0
        self.shut = False
        self.asked = asyncio.Event()

    async def __call__(self, session: Session) -> Any:
        """Open one."""
        self.opened += 1
        self.asked.set()
        if self.shut:
            raise ConnectionRefusedError
        return await asyncpg.connect(self.dsn)


def _session(account: str = "app", name: str = "shop", port: int = 1) -> Session:
    host = "127.0.0.1"
    target = Target(name=name, kind=TargetKind.POSTGRES, host=host, port=port, database="d")
    return Session(
        id="0" * 32,
        principal=Principal(name="alice", person="alice"),
        target=target,
        account=account,
        protocol="postgres",
    )


async def test_a_view_is_kept_for_a_minute(postgres_server: PostgresServer) -> None:
    """One look-up serves everybody for 60 s, then the view is not fresh any more."""
    clock, door = Hands(), Door(postgres_server.dsn())
    desk = Catalogues(door, clock)
    assert desk.fresh(_session()) is None
    views = await asyncio.gather(*(desk.look_up(_session()) for _ in range(5)))
    assert door.opened == 1
    assert views[0] is not None
    assert all(view is views[0] for view in views)
    clock.now += KEPT_NS - 1
    assert desk.fresh(_session()) is views[0]
    assert desk.fresh(_session("other")) is None
    clock.now += 1
    assert desk.fresh(_session()) is None
    await desk.close()


async def test_a_failed_look_up_proves_nothing(postgres_server: PostgresServer) -> None:
    """An unreachable target gives None, is not asked at once again, and recovers."""
    clock, door = Hands(), Door(postgres_server.dsn())
    desk = Catalogues(door, clock)
    door.shut = True
    assert await desk.look_up(_session()) is None
    assert await desk.look_up(_session()) is None
    assert door.opened == 1
    door.shut = False
    clock.now += RETRY_NS
    assert await desk.look_up(_session()) is not None
    await desk.close()


async def test_ddl_voids_every_account_of_the_database(postgres_server: PostgresServer) -> None:
    """After invalidate nothing is fresh, also what was being read while the DDL ran."""
    clock, door = Hands(), Door(postgres_server.dsn())
    desk = Catalogues(door, clock)
    await desk.look_up(_session())
    await desk.look_up(_session("other"))
    desk.invalidate(_session())
    assert desk.fresh(_session()) is None
    assert desk.fresh(_session("other")) is None
    door.asked.clear()
    running = asyncio.ensure_future(desk.look_up(_session()))
    await door.asked.wait()
    desk.invalidate(_session())
    assert await running is None
    assert await desk.look_up(_session()) is not None
    await desk.close()


async def test_what_nothing_changed_holds_still(postgres_server: PostgresServer) -> None:
    """Code that changed nothing costs no second reading; a change does, also one that was under way."""
    clock, door = Hands(), Door(postgres_server.dsn())
    desk = Catalogues(door, clock)
    maker = await asyncpg.connect(postgres_server.dsn())
    began = maker.transaction()
    await began.start()
    await maker.execute("CREATE TABLE public.under_way (x int)")
    first = await desk.look_up(_session())
    desk.invalidate(_session())
    assert desk.fresh(_session()) is None
    again = await desk.look_up(_session())
    assert again is first
    assert desk.fresh(_session()) is first
    await began.commit()
    desk.invalidate(_session())
    after = await desk.look_up(_session())
    assert first is not None
    assert after is not None
    assert "public.under_way" not in first.relations
    assert "public.under_way" in after.relations
    await maker.execute("DROP TABLE public.under_way")
    desk.invalidate(_session())
    gone = await desk.look_up(_session())
    assert gone is not None
    assert "public.under_way" not in gone.relations
    await maker.close()
    await desk.close()


async def test_what_nothing_changed_is_read_anew_after_a_minute(
    postgres_server: PostgresServer,
) -> None:
    """However often it turned out to hold: nothing is believed for longer than that."""
    clock, door = Hands(), Door(postgres_server.dsn())
    desk = Catalogues(door, clock)
    first = await desk.look_up(_session())
    clock.now += KEPT_NS - 1
    desk.invalidate(_session())
    assert await desk.look_up(_session()) is first
    clock.now += 1
    assert desk.fresh(_session()) is None
    assert await desk.look_up(_session()) is not first
    await desk.close()


async def test_an_alias_that_leads_elsewhere_has_another_view(
    postgres_server: PostgresServer,
) -> None:
    """Targets can be loaded anew: what was read at the old place says nothing of the new one."""
    door = Door(postgres_server.dsn())
    desk = Catalogues(door, Hands())
    assert await desk.look_up(_session()) is not None
    assert desk.fresh(_session(port=2)) is None
    await desk.close()


async def test_ddl_under_one_alias_voids_the_others(postgres_server: PostgresServer) -> None:
    """Two aliases may be one database."""
    door = Door(postgres_server.dsn())
    desk = Catalogues(door, Hands())
    assert await desk.look_up(_session("ro", "shop-ro")) is not None
    desk.invalidate(_session("rw", "shop-rw"))
    assert desk.fresh(_session("ro", "shop-ro")) is None
    await desk.close()


async def test_while_unknown_code_runs_a_view_is_kept_for_a_second_only(
    postgres_server: PostgresServer,
) -> None:
    """A DO that commits on its way cannot hide behind an old view; once it ended all is as before."""
    clock, door = Hands(), Door(postgres_server.dsn())
    desk = Catalogues(door, clock)
    view = await desk.look_up(_session())
    clock.now += UNSETTLED_NS
    desk.unsettle(_session("other"))
    desk.unsettle(_session())
    assert desk.fresh(_session()) is None
    desk.settle(_session())
    assert desk.fresh(_session()) is None
    desk.settle(_session("other"))
    assert desk.fresh(_session()) is view
    await desk.close()
