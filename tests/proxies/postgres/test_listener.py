"""The listener: how a door may stand, that it survives, reloads and stops."""

from __future__ import annotations

import asyncio
import errno
import random
import shutil
import socket
from pathlib import Path

import psycopg
import pytest
from support.certificates import Authority
from support.door import PARAMETERS, TOKEN, OpenDoor, open_door, values
from support.loops import on_both_loops

from gatekeep.errors import SettingsError
from gatekeep.proxies.postgres.front import Arrival, greet


async def enter(opened: OpenDoor, **more: str) -> psycopg.AsyncConnection[tuple[object, ...]]:
    """Sign in with libpq."""
    return await psycopg.AsyncConnection.connect(
        host="127.0.0.1", port=opened.port, user="alice", dbname="orders", password=TOKEN,
        autocommit=True, connect_timeout=10, **more,
    )  # type: ignore[arg-type] # keyword arguments passed on  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"tls": "require"},
        {"tls": "off", "host": "0.0.0.0"},  # noqa: S104 - that is what is refused
        {"tls": "prefer", "host": "::"},
        {"tls": "maybe"},
        {"tls": "require", "certificate": Path("/nonexistent"), "key": Path("/nonexistent")},
        {"port": 1, "host": "192.0.2.1"},
    ],
)
@on_both_loops
async def test_doors_that_may_not_stand(changes: dict[str, object]) -> None:
    """Without TLS on loopback only, with it only with a certificate; the error says the fix."""
    with pytest.raises(SettingsError) as error:
        async with open_door(values(**changes)):
            pass
    assert error.value.fix


@on_both_loops
async def test_a_port_that_is_taken() -> None:
    """Is a settings error that names it."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SettingsError, match=str(port)):
            async with open_door(values(port=port)):
                pass


@on_both_loops
async def test_a_certificate_is_replaced_without_a_restart(tmp_path: Path) -> None:
    """New connections see the new one; a broken one is refused and the old one stays."""
    authority, newer = Authority(tmp_path), Authority(tmp_path, "newer")
    leaf, second = authority.issue("door"), newer.issue("second")
    door = values(tls="require", certificate=leaf.certificate, key=leaf.key)
    verify = {"sslmode": "verify-full", "channel_binding": "require"}
    async with open_door(door) as opened:
        old = await enter(opened, sslrootcert=str(tmp_path / "ca.pem"), **verify)
        shutil.copy(second.certificate, leaf.certificate)
        with pytest.raises(SettingsError):
            opened.door.reload_tls()
        await (await enter(opened, sslrootcert=str(tmp_path / "ca.pem"), **verify)).close()
        shutil.copy(second.key, leaf.key)
        opened.door.reload_tls()
        await (await enter(opened, sslrootcert=str(tmp_path / "newer.pem"), **verify)).close()
        await old.execute("")
        await old.close()


@on_both_loops
async def test_stopping_lets_sessions_end() -> None:
    """No further connection is taken; the session that runs has its grace, and uses it."""
    asked_to_stop = asyncio.Event()
    ended = asyncio.Event()

    async def session(opened: OpenDoor, arrival: Arrival) -> None:
        async def cancel() -> None:
            return

        greet(arrival.wire, PARAMETERS, opened.keys.issue(cancel))
        await asked_to_stop.wait()
        ended.set()

    async with open_door(serve=session) as opened:
        connection = await enter(opened)
        port = opened.port
        opened.door.stop_accepting()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        asked_to_stop.set()
        await opened.door.close(grace=10)
        assert ended.is_set()
        await connection.close()


@on_both_loops
async def test_a_session_that_fails_takes_nobody_along() -> None:
    """Its own wire is closed, the door goes on."""

    async def session(opened: OpenDoor, arrival: Arrival) -> None:
        if len(opened.arrivals) == 1:
            raise RuntimeError("a fault of ours")
        greet(arrival.wire, PARAMETERS, opened.keys.issue(arrival.wire.drain))
        await arrival.wire.read()

    async with open_door(serve=session) as opened:
        with pytest.raises(psycopg.OperationalError):
            await enter(opened)
        await (await enter(opened)).close()


@on_both_loops
async def test_no_descriptors_left_is_a_pause_and_not_the_end() -> None:
    """The listening socket rests and then takes who waited."""

    class Exhausted:
        """A listening socket that fails once."""

        def __init__(self, real: socket.socket) -> None:
            self.real = real

        def accept(self) -> None:
            raise OSError(errno.EMFILE, "too many open files")

        def fileno(self) -> int:
            return self.real.fileno()

    async with open_door() as opened:
        listening = opened.door._listening[0]
        opened.door._accept(Exhausted(listening))  # type: ignore[arg-type] # behaves like one
        assert len(opened.door._resting) == 1
        loop = asyncio.get_running_loop()
        loop.add_reader(listening, opened.door._accept, listening)
        await (await enter(opened)).close()
        opened.door.stop_accepting()
        assert opened.door._resting == {}


@on_both_loops
async def test_hundreds_of_strangers_with_garbage() -> None:
    """Each is answered or closed, none hangs, nothing stays, and sign-in works afterwards."""
    draw = random.Random(20)
    async with open_door() as opened:
        for _ in range(300):
            reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
            lead = draw.choice(
                [b"", b"\0\0\0\x20\0\x03\0\0", b"\0\0\0\x08\x04\xd2\x16\x2f", b"\x16\x03"]
            )
            writer.write(lead + draw.randbytes(draw.randrange(200)))
            writer.write_eof()
            await reader.read()
            writer.close()
        await (await enter(opened)).close()
        await opened.empty()
        assert {kind for kind, _, _ in opened.events()} <= {"protocol.fault", "auth.failed"}
