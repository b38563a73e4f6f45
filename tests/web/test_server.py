"""The Unix socket: who may connect, how faults are worded, what is left behind."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path

import aiohttp
import pytest
from support.api_world import World

from gatekeep.errors import SettingsError
from gatekeep.web.server import MAX_BODY, ApiDoor


async def test_the_socket_is_for_its_owner_alone(door: ApiDoor) -> None:
    """The socket has mode 0600 from its first moment."""
    assert stat.S_IMODE(door.path.stat().st_mode) == 0o600


async def test_the_kernel_says_who_calls(http: aiohttp.ClientSession) -> None:
    """The caller is the principal of the peer's uid, whatever headers claim."""
    answer = await http.get("/v1/whoami", headers={"X-User": "owner", "Host": "evil"})
    said = await answer.json()
    assert said["principal"]["name"] == "carol"
    assert said["may"] == ["audit.read", "session.watch"]
    assert said["policy"] == "7f3a9c2"


async def test_a_stranger_gets_nothing(http: aiohttp.ClientSession, world: World) -> None:
    """A uid without a principal is refused on every address, with what to do."""
    world.people.uids.clear()
    for path in ("/v1/whoami", "/v1/audit/events", "/v1/audit/tail", "/v1/nowhere"):
        answer = await http.get(path)
        assert answer.status == 403
        error = (await answer.json())["error"]
        assert str(os.getuid()) in error["why"]
        assert "os_user" in error["try"]
    assert world.recorded == []


async def test_every_answer_carries_safe_headers(http: aiohttp.ClientSession) -> None:
    """No sniffing, no caching, and no word about the software below."""
    for path in ("/v1/whoami", "/v1/nowhere"):
        headers = (await http.get(path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Server"] == "gatekeep"


async def test_unknown_places_and_methods_are_said_in_json(http: aiohttp.ClientSession) -> None:
    """404 and 405 have the same shape as every other error."""
    assert (await (await http.get("/v1/nowhere")).json())["error"]["what"] == "not found"
    answer = await http.post("/v1/whoami")
    assert answer.status == 405
    assert "what" in (await answer.json())["error"]


async def test_a_body_has_a_bound(http: aiohttp.ClientSession, world: World) -> None:
    """A body over the bound is 413 and changes nothing."""
    world.rules.gateway.add(("security", "token.make"))
    answer = await http.post("/v1/tokens", data=b"x" * (MAX_BODY + 1))
    assert answer.status == 413
    assert world.drawer.kept == []


async def test_an_unforeseen_fault_tells_an_incident_and_no_secret(
    http: aiohttp.ClientSession, world: World
) -> None:
    """The text of an unexpected exception reaches neither the caller nor a traceback."""
    world.archive.fault = RuntimeError("password=hunter2")
    answer = await http.get("/v1/audit/events")
    assert answer.status == 500
    text = await answer.text()
    assert "hunter2" not in text
    assert "incident" in text


async def test_a_slow_call_ends_at_its_deadline(http: aiohttp.ClientSession, world: World) -> None:
    """A call that takes too long is answered 504."""
    world.archive.fault = TimeoutError()
    assert (await http.get("/v1/audit/events")).status == 504


@pytest.mark.parametrize(
    "noise",
    [
        b"\x00" * 64,
        b"GET",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"GET /v1/whoami HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"POST /v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/tokens HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET /" + b"%ff" * 2000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_noise_ends_its_own_connection_only(
    door: ApiDoor, http: aiohttp.ClientSession, noise: bytes
) -> None:
    """Whatever is sent, the answer is an error or an end, and the next caller is served."""
    reader, writer = await asyncio.open_unix_connection(str(door.path))
    writer.write(noise)
    writer.write_eof()
    answer = await reader.read()
    assert b" 200 " not in answer
    assert b"Traceback" not in answer
    writer.close()
    await writer.wait_closed()
    assert (await http.get("/v1/whoami")).status == 200


async def test_the_socket_is_taken_away_at_the_end(world: World, tmp_path: Path) -> None:
    """Nothing is left in the state directory after closing."""
    door = ApiDoor(world.needs(), tmp_path / "gatekeep.sock")
    await door.start()
    await door.close()
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - pathlib is kept out of coroutines


async def test_a_stale_socket_is_replaced(world: World, tmp_path: Path) -> None:
    """A socket left by a killed gateway does not stop the next one."""
    path = tmp_path / "gatekeep.sock"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    door = ApiDoor(world.needs(), path)
    await door.start()
    await door.close()


async def test_a_second_gateway_is_refused(door: ApiDoor, world: World) -> None:
    """Two gateways cannot share one state directory, and the first keeps its socket."""
    second = ApiDoor(world.needs(), door.path)
    with pytest.raises(SettingsError, match="another gateway"):
        await second.start()
    await second.close()
    assert door.path.exists()


async def test_a_file_in_the_way_is_not_destroyed(world: World, tmp_path: Path) -> None:
    """What is not a socket is left alone and named."""
    path = tmp_path / "gatekeep.sock"
    path.write_text("mine")
    with pytest.raises(SettingsError, match="not a socket"):
        await ApiDoor(world.needs(), path).start()
    assert path.read_text() == "mine"


async def test_a_path_too_long_is_said_in_words(world: World, tmp_path: Path) -> None:
    """The kernel's bound on socket paths becomes a sentence about the state directory."""
    with pytest.raises(SettingsError, match="107 bytes"):
        await ApiDoor(world.needs(), tmp_path / ("d" * 120) / "gatekeep.sock").start()
