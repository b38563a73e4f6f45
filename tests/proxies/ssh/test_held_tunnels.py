"""Tunnels and listeners that wait for a person: what was asked for is just not answered yet."""

from __future__ import annotations

import asyncio

import asyncssh
import pytest
from support.ssh_asking import ssh_asking
from support.ssh_tunnels import echo_port

from gatekeep.domain.approvals import RequestState


async def test_an_approved_tunnel_opens_and_carries_bytes() -> None:
    """Nothing is dialled before the yes."""
    with echo_port() as port:
        async with ssh_asking("tunnel") as asking, await asking.story.client() as client:
            opening = asyncio.ensure_future(client.open_connection("127.0.0.1", port))
            request = await asking.asked()
            assert request.subject.kind.value == "tunnel"
            assert asking.story.targets == []
            await asking.vote(request)
            reader, writer = await opening
            writer.write(b"there and back")
            assert await reader.readexactly(20) == b"hello\nthere and back"
            writer.close()


async def test_a_denied_tunnel_is_prohibited_in_the_same_words() -> None:
    """Administratively prohibited, with the first line."""
    async with ssh_asking("tunnel") as asking, await asking.story.client() as client:
        opening = asyncio.ensure_future(client.open_connection("127.0.0.1", 80))
        request = await asking.asked()
        await asking.vote(request, "bob", deny="by its own door")
        with pytest.raises(asyncssh.ChannelOpenError) as refused:
            await opening
        assert refused.value.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED
        assert refused.value.reason == f"gatekeep: bob denied request {request.id}"
        assert asking.story.targets == []


async def test_a_connection_that_ends_withdraws_its_tunnels() -> None:
    """There is nobody any more for whom it could be opened."""
    async with ssh_asking("tunnel") as asking:
        client = await asking.story.client()
        opening = asyncio.ensure_future(client.open_connection("127.0.0.1", 80))
        request = await asking.asked()
        client.abort()
        assert (await asking.ended(request)).state is RequestState.WITHDRAWN
        await asyncio.gather(opening, return_exceptions=True)
        await asking.story.until(lambda: bool(asking.events("session.closed")))
        assert asking.story.targets == []


async def test_other_channels_are_served_while_a_tunnel_waits() -> None:
    """The connection is not blocked, and neither are requests about it."""
    async with ssh_asking("tunnel") as asking, await asking.story.client() as client:
        opening = asyncio.ensure_future(client.open_connection("127.0.0.1", 80))
        request = await asking.asked()
        assert (await client.run("echo fine")).stdout == "fine"
        await asking.vote(request, deny="no")
        await asyncio.gather(opening, return_exceptions=True)


async def test_a_listener_waits_and_then_listens() -> None:
    """`ssh -R`: answered once somebody said yes."""
    async with ssh_asking("listen") as asking, await asking.story.client() as client:
        asked = asyncio.ensure_future(client.forward_remote_port("localhost", 0, "127.0.0.1", 9))
        request = await asking.asked()
        await asking.vote(request)
        listener = await asyncio.wait_for(asked, 10)
        assert listener.get_port()
        listener.close()
