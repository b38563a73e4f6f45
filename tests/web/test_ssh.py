"""The SSH door over the API: what clients must know of it."""

from __future__ import annotations

import aiohttp


async def test_without_the_door_there_is_nothing(http: aiohttp.ClientSession) -> None:
    """404, and what to do about it."""
    answer = await http.get("/v1/ssh")
    assert answer.status == 404
    assert "ssh.port" in (await answer.json())["error"]["try"]
