"""The one HTTP door: what is behind it, and what it says when it cannot be opened."""

from __future__ import annotations

import socket

import aiohttp
import pytest
from aiohttp import web

from gatekeep.errors import SettingsError
from gatekeep.web.door import HttpDoor, Served, door_app
from gatekeep.web.health import GatewayNumbers, Health, Readiness
from gatekeep.web.sources import Sources

READY = Readiness(journal_accepting=True, archivist_alive=True, policy_loaded=True, draining=False)
HEALTH = Health(lambda: READY, GatewayNumbers)


async def _said(_request: web.Request) -> web.Response:
    return web.Response(text="inner")


async def test_an_application_is_mounted_behind_the_guard() -> None:
    """Whatever is mounted answers under its beginning, only to names that are ours; the rest stays as it is."""
    inner = web.Application()
    inner.router.add_get("/v1/whoami", _said)
    app = door_app(HEALTH, Served(mounted={"/api": inner}), Sources())
    late = web.Application()
    late.router.add_get("/x", _said)
    app.add_subapp("/late", late)
    door = HttpDoor(app, address="127.0.0.1", port=0)
    port = await door.start()
    assert door.port == port
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
        assert await (await http.get("/api/v1/whoami")).text() == "inner"
        assert await (await http.get("/late/x")).text() == "inner"
        assert (await http.get("/api/v1/whoami")).headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert (await http.get("/api/v1/whoami", headers={"Host": "evil.example"})).status == 421
        assert (await http.get("/api/nowhere")).status == 404
        assert (await http.get("/healthz")).status == 200
        assert (await (await http.get("/nowhere")).json())["error"]["what"] == "nothing is here"
    await door.close()


async def test_a_port_that_is_taken() -> None:
    """The error names the setting."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        door = HttpDoor(door_app(HEALTH, Served(), Sources()), address="127.0.0.1", port=taken.getsockname()[1])
        with pytest.raises(SettingsError, match="cannot listen") as raised:
            await door.start()
        assert raised.value.key == "http.port"
        await door.close()
