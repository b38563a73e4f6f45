"""What a Postgres session needs of the rest of the gateway. One record; does nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gatekeep.gate.clearance import Clearance
from gatekeep.gate.ports import Journal
from gatekeep.gate.sight_ports import Sights
from gatekeep.proxies.postgres.reading import StatementReader
from gatekeep.runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class Rooms:
    """What a session needs of the gateway.

    `confirm_s` is how long an answer to what went out early waits for its event, in seconds;
    `link_to(id)` the address of a request's page, empty where there is none. `sights` find out what
    a statement that waits would touch.
    """

    gate: Clearance
    journal: Journal
    reader: StatementReader
    clock: Clock
    on_gateway_fault: Callable[[BaseException], None]
    confirm_s: float = 5.0
    link_to: Callable[[str], str] = lambda _request: ""
    sights: Sights | None = None
