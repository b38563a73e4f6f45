"""The one HTTP door: what is behind it, and what it says when it cannot be opened."""

from __future__ import annotations

import socket

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gatekeep.errors import SettingsError
from gatekeep.web.door import HttpDoor, Served, door_app, protected
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
    app = door_app(HEALTH, Served(), Sources())
    app.add_subapp("/api", inner)
    door = HttpDoor(app, address="127.0.0.1", port=0)
    port = await door.start()
    assert door.port == port
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
        answer = await http.get("/api/v1/whoami")
        assert await answer.text() == "inner"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert (await http.get("/api/v1/whoami", headers={"Host": "evil.example"})).status == 421
        assert (await http.get("/api/nowhere")).status == 404
        assert (await http.get("/healthz")).status == 200
        assert (await (await http.get("/nowhere")).json())["error"]["what"] == "nothing is here"
    await door.close()


@pytest.mark.parametrize(("remote", "status"), [("127.0.0.1", 0), ("192.0.2.9", 0), ("203.0.113.9", 403)])
def test_a_token_in_clear_is_not_looked_at(remote: str, status: int) -> None:
    """Callers of this machine and by a proxy of ours; a token that came over a network is not even tried."""
    tried: list[str] = []

    def caller(request: web.Request) -> web.Response | None:
        tried.append(request.remote or "")
        return None

    known = protected(caller, Sources(["192.0.2.0/24"]))
    answer = known(make_mocked_request("GET", "/api/v1/whoami").clone(remote=remote))
    assert (answer.status if answer is not None else 0) == status
    assert tried == ([] if status else [remote])


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
