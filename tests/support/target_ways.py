"""Ways to a target: connect with a connector of one's own, or learn why not."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gatekeep.errors import TargetFault
from gatekeep.protocols.postgres.startup import target_startup
from gatekeep.proxies.postgres.target import Credential, Dial, TargetConnector, TargetLink
from gatekeep.runtime.offload import Offload

PASSWORD = "p\u00e4ss word"  # noqa: S105 - a throw-away server on loopback


@asynccontextmanager
async def connector() -> AsyncIterator[TargetConnector]:
    """A connector, with its thread ended afterwards."""
    offload = Offload()
    try:
        yield TargetConnector(os.urandom, offload)
    finally:
        offload.close()


def packet(user: str, database: str = "postgres", **more: object) -> bytes:
    """The start-up packet for this account."""
    return target_startup(
        account=user, database=database, application_name="gatekeep/S-TEST",
        search_path='"$user", public', settings={"TimeZone": "UTC"}, **more,
    )  # type: ignore[arg-type] # keyword arguments passed on  # fmt: skip


async def enter(
    dial: Dial, user: str, *, auth: str = "scram", password: str = PASSWORD,
    database: str = "postgres", bound: bool = False, **more: object,
) -> TargetLink:  # fmt: skip
    """Connect and close; the link as it was."""
    async with connector() as made:
        link = await made.connect(
            dial, Credential(user, password, auth, bound), packet(user, database, **more)
        )
        link.wire.abort()
        return link


async def refused(dial: Dial, user: str, **how: Any) -> TargetFault:
    """The fault with which connecting ends."""
    with pytest.raises(TargetFault) as fault:
        await enter(dial, user, **how)
    assert fault.value.answer is not None
    return fault.value
