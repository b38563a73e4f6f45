"""Some weeks in the demo's office, lived in seconds: real statements, held for real, approved by real votes.

Only the clock is moved. What comes of the history is `loop_tour`'s.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import asyncpg

from gatekeep.cli.client import GatewayClient
from gatekeep.cli.reaching import SocketWay
from gatekeep.cli.requests import PATH
from gatekeep.demo.configure import TARGET
from gatekeep.demo.embedded import HOST
from gatekeep.demo.loop_office import LEADS, SUPPORT, Office

DAYS: Final = 22
"""So many days, with one change each."""
_THINKS_S: Final = 260
"""A yes that came within seconds would count as unread."""
_LOOK_S: Final = 0.02
_LOOKS: Final = 1_000


def change_of(order: int) -> str:
    """The statement that support sends day after day."""
    return f"UPDATE orders SET status = 'shipped' WHERE id = {order}"  # noqa: S608 - a number, in a statement that people send


async def live_history(office: Office) -> int:
    """A change a day, by each of support in turn, approved by each lead in turn; how many there were."""
    office.clock.pass_days(1)
    for day in range(DAYS):
        who, lead = SUPPORT[day % len(SUPPORT)], LEADS[(day // len(SUPPORT)) % len(LEADS)]
        await approved_change(office, who, lead, 101 + day)
        office.clock.pass_s(86_400 - _THINKS_S)
    return DAYS


async def approved_change(office: Office, who: str, lead: str, order: int) -> None:
    """One change, held until a lead has looked at it for some minutes of the office's time."""
    connection = await asyncpg.connect(
        host=HOST, port=office.gateway.postgres_port, user=who, password=office.tokens[who],
        database=TARGET,
    )  # fmt: skip
    try:
        await asyncio.gather(connection.execute(change_of(order)), _approve(office, lead))
    finally:
        await connection.close()


async def _approve(office: Office, lead: str) -> None:
    client = GatewayClient(SocketWay(office.gateway.socket_path), office.tokens[lead])
    for _ in range(_LOOKS):
        listed = await asyncio.to_thread(client.get, PATH, state="pending")
        found: list[dict[str, Any]] = listed["requests"]
        if found:
            break
        await asyncio.sleep(_LOOK_S)
    else:
        raise TimeoutError("no change waits for a lead")
    office.clock.pass_s(_THINKS_S)
    asked = found[0]
    ballot = {"verdict": "approve", "digest": asked["digest"], "reason": "", "scope": "once"}
    await asyncio.to_thread(client.post, f"{PATH}/{asked['id']}/votes", ballot)
