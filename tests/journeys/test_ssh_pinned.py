"""Script files on a target that pins them: read, judged, and run as they were read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.gateway import PERMISSIVE, Gateway
from support.opened_journal import events
from support.ssh_journey import SshWay, ssh_gateway, way_through
from support.ssh_target import SshTarget

pytestmark = pytest.mark.journey

ONLY_PINNED = (
    PERMISSIVE
    + """
@id("no-changeable-code")
@why("code that somebody may change is not run")
forbid(principal, action == Action::"ssh.exec", resource)
when { context.known_tags.contains("mutable_code") };

@id("no-removal")
@why("nothing is removed here")
forbid(principal, action == Action::"ssh.exec", resource)
when { context.program == "rm" };
"""
)


@pytest.fixture
def pinning(ssh_target: SshTarget, tmp_path: Path) -> Iterator[tuple[Gateway, SshWay]]:
    """A gateway that pins files, with a policy that wants it."""
    (tmp_path / "gateway").mkdir()
    gateway = ssh_gateway(
        ssh_target, tmp_path / "gateway", policy=ONLY_PINNED, target_extra={"pin_files": True},
        groups={"alice": "engineers"},
    )  # fmt: skip
    gateway.start()
    try:
        yield gateway, way_through(gateway, ssh_target, tmp_path / "way", None)
    finally:
        gateway.stop()


def script(path: Path, body: str) -> Path:
    """An executable file of bash."""
    path.write_text(f"#!/bin/bash\n{body}")
    path.chmod(0o755)
    return path


def test_a_file_runs_as_it_was_read_and_the_record_has_its_text(
    pinning: tuple[Gateway, SshWay], tmp_path: Path
) -> None:
    """Name, words, output, errors and exit code are its own; the event has digest and text."""
    gateway, way = pinning
    file = script(tmp_path / "deploy.sh", 'echo "$0: $1"\necho wrong >&2\nexit 4\n')
    for line in (f"{file} 'two words'", f"bash {file} 'two words'"):
        answer = way.ssh(line, stdin=b"nobody reads this\n")
        assert (answer.code, answer.out, answer.err) == (4, f"{file}: two words\n".encode(), b"wrong\n")
    released = [one["payload"] for one in events(gateway, "kind:action.released")]
    pinned = [one for one in released if one["mode"] == "script"]
    assert len(pinned) == 2
    assert pinned[0]["pinned"] == {
        "bytes": file.stat().st_size, "path": str(file),
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }  # fmt: skip
    assert 'echo "$0: $1"' in pinned[0]["text"]
    assert gateway.verify().returncode == 0


def test_what_the_file_would_do_decides(pinning: tuple[Gateway, SshWay], tmp_path: Path) -> None:
    """A harmless name does not help a file that removes things."""
    gateway, way = pinning
    kept = tmp_path / "kept"
    kept.write_text("x")
    answer = way.ssh(str(script(tmp_path / "status.sh", f"uptime\nrm -f {kept}\n")))
    assert answer.code == 126
    assert b"nothing is removed here" in answer.err
    assert kept.exists()
    (refused,) = events(gateway, "kind:action.refused")
    assert f"rm -f {kept}" in refused["payload"]["text"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("python", "#!/usr/bin/python3\nprint(1)\n"),
        ("large", "#!/bin/bash\n" + "# padding\n" * 30_000),
        ("absent", ""),
    ],
)
def test_what_cannot_be_pinned_is_what_it_was(
    pinning: tuple[Gateway, SshWay], tmp_path: Path, name: str, content: str
) -> None:
    """Code that somebody may change, which the policy refuses; the event says why."""
    gateway, way = pinning
    file = tmp_path / name
    if content:
        file.write_text(content)
        file.chmod(0o755)
    answer = way.ssh(str(file))
    assert answer.code == 126
    assert b"code that somebody may change is not run" in answer.err
    (refused,) = events(gateway, "kind:action.refused")
    assert refused["payload"]["not_pinned"]


def test_a_device_is_not_read(pinning: tuple[Gateway, SshWay]) -> None:
    """Nor waited for."""
    _, way = pinning
    answer = way.ssh("bash /dev/zero")
    assert answer.code == 126
