"""The tour's SSH steps hold where a door keeps its promises, and stop where it does not."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.ssh_target import needed

from gatekeep.demo import ssh_tour
from gatekeep.demo.embedded import free_port
from gatekeep.demo.ssh_process import SshTargetProcess, ensure_key
from gatekeep.demo.ssh_tour import SshSight, SshTourFailed


@pytest.fixture
def sight() -> Iterator[SshSight]:
    """The tour's view of the demo's target without a gateway before it: nothing is forbidden there."""
    needed()
    place = Path(tempfile.mkdtemp(prefix="gk-u-"))
    public = ensure_key(place / "alice", "alice")
    ensure_key(place / "carol", "carol")
    target = SshTargetProcess(place / "web-1", public)
    target.start()
    yield SshSight(
        "127.0.0.1", target.port, target.public_key, "deploy", place / "alice", "deploy",
        place / "carol", free_port(), target.home,
    )  # fmt: skip
    target.stop()
    shutil.rmtree(place)


def walked(step: str, sight: SshSight, tmp_path: Path) -> list[str]:
    """What one step says."""
    said: list[str] = []
    getattr(ssh_tour._Steps(sight, tmp_path, said.append), step)()
    return said


def test_shells_and_tunnels_keep_their_promises_against_a_plain_target(
    sight: SshSight, tmp_path: Path
) -> None:
    """A shell for a key that is known and none for another; a tunnel to a service, none to nobody."""
    said = walked("shells", sight, tmp_path) + walked("tunnels", sight, tmp_path)
    assert [line for line in said if line.startswith("   ●")] == [
        "   ● the shell answers and its status comes back", "   ● that one is turned away",
        "   ● the service answers through it", "   ● it is refused",
    ]  # fmt: skip


@pytest.mark.parametrize("step", ["commands", "files"])
def test_without_a_gateway_the_holds_do_not_come_and_the_tour_says_so(
    sight: SshSight, tmp_path: Path, step: str
) -> None:
    """Keys can be written straight to a machine: the step stops, and shows what was answered."""
    (sight.home / ".ssh").mkdir()
    with pytest.raises(SshTourFailed, match="it waited"):
        walked(step, sight, tmp_path)


def test_a_door_that_does_not_answer_stops_the_tour(sight: SshSight) -> None:
    """Nothing is claimed of a door that is not there."""
    assert ssh_tour.clients_are_here()
    with pytest.raises(SshTourFailed, match="it answers"):
        ssh_tour.take_ssh_tour(dataclasses.replace(sight, port=free_port()), [].append)
