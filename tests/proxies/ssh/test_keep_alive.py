"""Silent clients are asked whether they are there: nobody decides for one that is not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncssh
import pytest
from asyncssh.connection import SSHConnection
from support.ssh_door import new_key, public_line, ssh_door

from gatekeep.proxies.ssh import front

ANSWERED = "_process_keepalive_at_openssh_dot_com_global_request"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "KEEP_ALIVE_S", 0.05)


async def test_a_silent_client_is_asked_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer, a refusal as is the custom, is enough."""
    asked: list[SSHConnection] = []
    answer = getattr(SSHConnection, ANSWERED)

    def counted(self: SSHConnection, packet: object) -> object:
        asked.append(self)
        return answer(self, packet)

    monkeypatch.setattr(SSHConnection, ANSWERED, counted)
    key = new_key(tmp_path, "id")
    people = [{"name": "alice", "keys": [public_line(key)]}]
    async with ssh_door(tmp_path, people) as world, await world.connect(key) as connection:
        async with asyncio.timeout(20):
            while len(asked) < 5:
                await asyncio.sleep(0.01)
        assert all(isinstance(one, asyncssh.SSHClientConnection) for one in asked)
        assert (await connection.run("whoami")).exit_status == 0


async def test_a_client_that_does_not_answer_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the third time."""
    monkeypatch.setattr(SSHConnection, ANSWERED, lambda _self, _packet: None)
    key = new_key(tmp_path, "id")
    async with ssh_door(tmp_path, [{"name": "alice", "keys": [public_line(key)]}]) as world:
        connection = await world.connect(key)
        await asyncio.wait_for(connection.wait_closed(), 20)
        assert world.introduced
