"""A gateway in this very process whose policy asks about changes, and the people who answer.

Real clients reach it through its real door; votes go straight to its desk, as every door's do.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import yaml
from support.postgres_server import PostgresServer

from gatekeep.app import Gateway
from gatekeep.domain.approvals import ApprovalRequest, RequestState, Scope, VoteVerdict
from gatekeep.domain.events import SearchQuery
from gatekeep.gate.approval_ports import Ballot
from gatekeep.gate.approval_values import CastVote
from gatekeep.settings import load_settings

ASKING = """
@id("sessions") @why("Tests open sessions.")
permit(principal, action == Action::"session.open", resource);

@id("reads") @why("Reads are free.")
permit(principal, action in [Action::"sql.read", Action::"sql.session"], resource);

@id("writes-need-dba") @why("a DBA looks at every change") @owner("dba")
permit(principal, action in [Action::"sql.write", Action::"sql.procedural", Action::"sql.ddl", Action::"sql.copy"], resource)
when { context has approval && context.approval.groups.contains("dba") };

@id("no-drops") @why("tables are dropped by migrations")
forbid(principal, action in Action::"sql", resource) when { context.verb like "DROP*" };

@id("gateway") @why("Tests read the log.")
permit(principal, action in Action::"gateway", resource);
"""

PEOPLE = (
    {"name": "alice", "groups": ["engineers"]},
    {"name": "bob", "groups": ["dba"]},
    {"name": "carol", "groups": ["dba", "security"]},
    {"name": "dave", "groups": ["engineers"]},
)
LIMIT_S = 20.0


@dataclass
class Asking:
    """The gateway, with what its people need."""

    gateway: Gateway
    place: Path
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def approvals(self) -> Any:
        """The rooms of approvals."""
        return self.gateway._parts.approvals

    def dsn(self, name: str = "alice") -> str:
        """A libpq connection string through the door."""
        return (
            f"host=127.0.0.1 port={self.gateway.postgres_port} user={name} dbname=orders "
            f"password={self.secrets[name]}"
        )

    async def connect(self, name: str = "alice", **how: Any) -> psycopg.AsyncConnection[Any]:
        """A connection of psycopg; autocommit unless said otherwise."""
        return await psycopg.AsyncConnection.connect(self.dsn(name), **{"autocommit": True, **how})

    async def asked(self, count: int = 1) -> list[ApprovalRequest]:
        """So many requests are pending; they, oldest first."""
        found: list[ApprovalRequest] = []

        async def enough() -> bool:
            found[:] = await self.approvals.front.requests(state=RequestState.PENDING)
            return len(found) >= count

        await until(enough, f"{count} requests wait")
        return list(reversed(found))

    async def vote(
        self, request: ApprovalRequest, name: str = "bob", *, deny: str = "", **how: Any
    ) -> CastVote:
        """A vote of this principal; `deny` is the reason of a denial."""
        principal = self.gateway._parts.directory.principal(name)
        assert principal is not None
        verdict = VoteVerdict.DENY if deny else VoteVerdict.APPROVE
        ballot = Ballot(
            verdict, how.pop("digest", request.digest), how.pop("via", "cli"),
            reason=deny or how.pop("reason", ""), scope=how.pop("scope", Scope.ONCE), **how,
        )  # fmt: skip
        cast: CastVote = await self.approvals.front.cast(request.id, principal, ballot)
        return cast

    async def told(self, request: str) -> list[dict[str, Any]]:
        """The events of one request, oldest first: kind and payload."""
        query = SearchQuery(terms=(("request", request),))
        found = await self.gateway._parts.archive.search(query)
        return [{"kind": one.envelope["k"], **(one.payload or {})} for one in reversed(found)]


async def until(holds: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> None:
    """Look again and again until it holds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_s
    while True:
        found = holds()
        if (await found) if asyncio.iscoroutine(found) else found:
            return
        assert loop.time() < deadline, f"not in {limit_s} s: {what}"
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def asking_gateway(
    server: PostgresServer,
    *,
    database: str = "postgres",
    policy: str = ASKING,
    people: Any = PEOPLE,
    settings: dict[str, Any] | None = None,
) -> AsyncIterator[Asking]:
    """A gateway that serves, with a token for everybody."""
    place = Path(tempfile.mkdtemp(prefix="gk-ask-"))
    (place / "policy").mkdir()
    (place / "policy" / "rules.cedar").write_text(policy)
    target = {
        "name": "orders", "kind": "postgres", "host": "127.0.0.1", "port": server.port,
        "database": database, "tls": "disable", "accounts": {"postgres": "env:TARGET_PASSWORD"},
    }  # fmt: skip
    (place / "targets.yaml").write_text(yaml.safe_dump({"targets": [target]}))
    (place / "principals.yaml").write_text(yaml.safe_dump({"principals": list(people)}))
    given = {
        "state_dir": str(place / "state"), "keys_dir": str(place / "keys"),
        "postgres": {"port": 0}, "ssh": {"port": 0}, "http": {"port": 0}, "drain_s": 5.0,
        **(settings or {}),
    }  # fmt: skip
    (place / "gatekeep.yaml").write_text(yaml.safe_dump(given))
    gateway = await Gateway.start(
        load_settings(place / "gatekeep.yaml", {}), {"TARGET_PASSWORD": server.password}
    )
    asking = Asking(gateway, place)
    try:
        for one in people:
            _row, secret = await gateway.make_token(one["name"], ttl_s=600, note="")
            asking.secrets[one["name"]] = secret
        yield asking
    finally:
        await gateway.stop()
        shutil.rmtree(place, ignore_errors=True)
