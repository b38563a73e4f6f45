"""Jump hosts: ended here, recorded as any session, and the principal is always the outer one."""

from __future__ import annotations

import asyncio

import asyncssh
import pytest
from support.ssh_story import ssh_story


async def test_a_jump_is_a_session_of_its_own() -> None:
    """The inner log-in name is the account; the outer one stays who acts."""
    async with ssh_story() as story, await story.client("alice") as outer:
        async with await story.client("deploy", tunnel=outer, host="web-1") as inner:
            assert (await inner.run("echo jumped")).stdout == "jumped"
        await story.until(lambda: bool(story.events("session.closed")))
        opened = story.events("session.opened")[0].payload
        assert (opened["principal"], opened["account"], opened["jumped"]) == ("alice", "deploy", True)


async def test_no_key_and_no_password_are_needed_inside() -> None:
    """Who is there was proven outside: a password typed here would be the target's."""
    async with ssh_story() as story, await story.client("alice") as outer:
        options = {"tunnel": outer, "host": "web-1", "client_keys": None}
        async with await story.client("deploy", **options) as inner:
            assert (await inner.run("echo x")).exit_status == 0
        with pytest.raises(asyncssh.PermissionDenied):
            await story.client("nobody", client_keys=None, password="x")  # noqa: S106 - no secret: refused


@pytest.mark.parametrize("name", ["bob+deploy", "bob@web-1", "alice+deploy@web-1", "-x", "a b"])
async def test_an_inner_name_is_an_account_or_nothing(name: str) -> None:
    """Neither another principal nor another target can be named there."""
    async with ssh_story() as story, await story.client("alice") as outer:
        with pytest.raises(asyncssh.PermissionDenied):
            await story.client(name, tunnel=outer, host="web-1")
        assert not story.events("session.opened")


async def test_an_unknown_target_is_no_way_out() -> None:
    """A plain log-in reaches registered targets and nothing else."""
    async with ssh_story() as story, await story.client("alice") as outer:
        with pytest.raises(asyncssh.ChannelOpenError) as refused:
            await outer.open_connection("127.0.0.1", 22)
        assert "no target" in refused.value.reason


@pytest.mark.parametrize("ours_first", [True, False], ids=["client first", "gateway first"])
async def test_a_way_whose_both_ends_are_over_is_closed(*, ours_first: bool) -> None:
    """`ssh -W` waits for the close of its channel: where no signal ends it, it stayed for ever."""
    async with ssh_story() as story, await story.client("alice") as outer:
        reader, writer = await outer.open_connection("web-1", 22)
        if ours_first:
            writer.write_eof()
        else:
            writer.write(b"no SSH at all\r\n" * 100)
        async with asyncio.timeout(30):
            assert (await reader.read()).startswith(b"SSH-2.0-")
            writer.write_eof()
            await writer.wait_closed()
            await writer.channel.wait_closed()


async def test_the_inner_session_ends_with_the_outer_connection() -> None:
    """No session outlives the connection that proved it."""
    async with ssh_story() as story:
        outer = await story.client("alice")
        inner = await story.client("deploy", tunnel=outer, host="web-1")
        await inner.create_process("stuck")
        await story.until(lambda: bool(story.events("action.released")))
        outer.abort()
        await story.until(lambda: bool(story.events("session.closed")))
