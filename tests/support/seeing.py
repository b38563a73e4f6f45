"""An approver's look at statements of a laboratory's engineer, as a proxy would ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import asyncpg
from support import builders
from support.lab import Lab

from gatekeep.catalogue.desk import Catalogues
from gatekeep.catalogue.sight import TargetSights
from gatekeep.domain.actions import BoundValue, SqlAction
from gatekeep.domain.sessions import Session, SessionVector
from gatekeep.gate.sight_ports import Standing
from gatekeep.protocols.sql.below_proof import read_below
from gatekeep.protocols.sql.reading import read_statements
from gatekeep.runtime.clock import SystemClock

SHOP = SessionVector()
LAB = SessionVector(search_path="lab")
TEXT = 25


class Seeing:
    """Sights over one laboratory; `account` signs in, the engineer unless told."""

    def __init__(self, lab: Lab, *, account: str = "", limit_s: float = 3.0) -> None:
        self.lab = lab
        self.account = account or lab.role
        clock = SystemClock()
        self.catalogues = Catalogues(self.connect, clock)
        self.sights = TargetSights(self.connect, self.catalogues, clock, limit_s=limit_s)
        self.session = builders.session(account=self.account, database=lab.name)

    async def connect(self, _session: Session | None = None) -> asyncpg.Connection:
        """A new connection as the account."""
        dsn = self.lab.server.dsn(database=self.lab.name, user=self.account, password="x")  # noqa: S106 - a throw-away role
        return await asyncpg.connect(dsn, statement_cache_size=0)

    async def asked(
        self, text: str, vector: SessionVector = SHOP, *, pid: int = 0, values: int = 0
    ) -> tuple[SqlAction, Standing]:
        """The action of a text that is held, and how its session stands then."""
        view = await self.catalogues.look_up(self.session)
        facts = read_statements(text, catalogue=view, vector=vector)
        bound = (BoundValue(TEXT, "1"),) * values
        below = read_below(text, catalogue=view, vector=vector, parameters=bool(values))
        standing = Standing(
            vector=vector,
            open_changes=False,
            target_pid=pid,
            plan=below.plan,
            unproven=below.broken,
            generic=bool(values),
            epoch=view.epoch if view is not None else "",
            table=below.table,
        )
        mode = "extended" if values else "simple"
        return SqlAction(mode, text, facts, redacted=text, parameters=bound), standing

    async def look(
        self,
        text: str,
        vector: SessionVector = SHOP,
        *,
        pid: int = 0,
        values: int = 0,
        **changes: Any,
    ) -> Mapping[str, Any]:
        """The sight of a held text; `changes` are of the standing."""
        self.catalogues.invalidate(self.session)
        action, standing = await self.asked(text, vector, pid=pid, values=values)
        return await self.sights.look(self.session, action, replace(standing, **changes))

    async def close(self) -> None:
        """End look-ups under way."""
        await self.catalogues.close()
