"""asyncssh's client of sftp: many requests at once, against OpenSSH's target through the conversation."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh import sftp as asyncssh_sftp
from asyncssh.logging import logger
from support.file_place import BIG, NEEDED, Place, make_big, served

pytestmark = [pytest.mark.journey, NEEDED]


class _Wire:
    """Streams that asyncssh takes for those of a channel."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.logger = logger
        self.channel = self
        self.readexactly = reader.readexactly
        self.write = writer.write
        self.close = self.write_eof = writer.close
        self.is_closing = writer.is_closing
        self.wait_closed = writer.wait_closed

    def get_extra_info(self, _: str, __: object = None) -> str:
        """What the other side calls itself: the order of SYMLINK's arguments hangs on it."""
        return "SSH-2.0-OpenSSH_9.2"


async def _work(end: Any, place: Place) -> None:
    wire: Any = _Wire(*await asyncio.open_connection(sock=end))
    handler = asyncssh_sftp.SFTPClientHandler(asyncio.get_running_loop(), "strict", wire, wire, 3)
    await handler.start()
    async with asyncio.TaskGroup() as group:
        group.create_task(handler.recv_packets())
        await handler.request_limits()
        client = asyncssh_sftp.SFTPClient(handler, "utf-8", "strict")
        await client.put(str(place.local / "big"), "there", max_requests=64)
        await client.get("there", str(place.local / "back"), max_requests=64)
        await client.makedirs("a/b/c")
        await client.put(str(place.local / "tree"), "a/b", recurse=True, preserve=True)
        await client.symlink("b", "a/l")
        assert await client.readlink("a/l") == "b"
        assert sorted(await client.glob("a/l/tree/*")) == sorted(
            f"a/l/tree/{n}" for n in range(30)
        )
        stats = await asyncio.gather(*(client.stat(f"a/l/tree/{n}") for n in range(30)))
        assert [stat.size for stat in stats] == list(range(30))
        await client.remote_copy("a/l/tree/7", "copied")
        assert (await client.statvfs(".")).bsize
        with pytest.raises(asyncssh.SFTPNoSuchFile):
            await client.stat("nothing")
        await client.rmtree("a")
        client.exit()
        await client.wait_closed()


async def test_asyncssh_works_with_many_requests_at_once(place_of_files: Place) -> None:
    """Files arrive whole with the hashes of the story, trees and parallel stats as without us."""
    place = place_of_files
    digest = make_big(place.local / "big")
    (place.local / "tree").mkdir()
    for number in range(30):
        (place.local / "tree" / str(number)).write_bytes(b"x" * number)
    with served(place) as end:
        end.settimeout(0)
        async with asyncio.timeout(90):
            await _work(end, place)
    assert hashlib.sha256((place.local / "back").read_bytes()).hexdigest() == digest
    assert place.settled("written")[0] == {"bytes": BIG, "sha256": digest}
    assert place.settled("read")[0] == {"bytes": BIG, "sha256": digest}
    assert (place.home / "copied").read_bytes() == b"x" * 7
    assert "copy-data" in place.operations()
    assert not (place.home / "a").exists()
    assert not any("violation" in line for line in place.story)


@pytest.fixture
def place_of_files(tmp_path: Path) -> Place:
    """A fresh one."""
    return Place(tmp_path)
