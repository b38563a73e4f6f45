"""sftp through the door: each operation an event, refusals as sftp says them, contents untouched."""

from __future__ import annotations

import hashlib
from pathlib import Path

import asyncssh
import pytest
from support.ssh_story import SshStory, ssh_story


def released(story: SshStory) -> list[tuple[str, str]]:
    """Operation and path of each released one."""
    return [
        (event.payload["verb"], event.payload["text"]) for event in story.events("action.released")
    ]


async def test_a_file_goes_up_and_comes_down_whole(tmp_path: Path) -> None:
    """Same bytes; the events hold what was opened, how much went over, and its hash."""
    data = bytes(range(256)) * 8192
    (tmp_path / "up").write_bytes(data)
    async with ssh_story() as story, await story.client() as client:
        async with client.start_sftp_client() as sftp:
            await sftp.put(str(tmp_path / "up"), str(tmp_path / "there"))
            await sftp.get(str(tmp_path / "there"), str(tmp_path / "down"))
        await story.until(lambda: bool(story.events("channel.closed")))
        assert (tmp_path / "down").read_bytes() == data
        told = [event.payload.get("details", {}) for event in story.events("action.finished")]
        (written,) = [one["written"] for one in told if "written" in one]
        assert written["bytes"] == len(data)
        assert any("read" in one for one in told)
        assert str(tmp_path / "there") in {path for _, path in released(story)}
        assert hashlib.sha256(data).hexdigest() == written["sha256"] or written["sparse"]


async def test_a_denied_operation_is_permission_denied_and_nothing_happens(tmp_path: Path) -> None:
    """The other operations of the same channel go on."""
    (tmp_path / "keep").write_text("x")
    async with ssh_story() as story, await story.client() as client:
        story.policy.denied.add("keep")
        async with client.start_sftp_client() as sftp:
            with pytest.raises(asyncssh.SFTPPermissionDenied) as refused:
                await sftp.remove(str(tmp_path / "keep"))
            assert "gatekeep: policy does not allow" in str(refused.value)
            await sftp.mkdir(str(tmp_path / "made"))
        assert (tmp_path / "keep").exists()
        assert (tmp_path / "made").is_dir()
        assert story.events("action.refused")[0].payload["cause"] == "policy"
