"""How SSH sessions end when they must: the journal dies, the gateway drains, a right is taken away."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from support.gateway import PERMISSIVE, Gateway
from support.opened_journal import events
from support.ssh_journey import SshWay, finished, ssh_gateway, until, way_through
from support.ssh_target import SshTarget, make_key
from support.ssh_terminal import Terminal, terminal
from support.ssh_tunnels import echo_port, reached

pytestmark = pytest.mark.journey


LINES_JUDGED = (
    PERMISSIVE
    + """
@id("no-mkfs")
@why("disks are made by the platform")
forbid(principal, action == Action::"ssh.line", resource) when { context.program == "mkfs" };
"""
)


@dataclass
class Place:
    """A gateway of this test's own, and the way through it."""

    gateway: Gateway
    way: SshWay
    files: Path


@pytest.fixture
def place(ssh_target: SshTarget, tmp_path: Path) -> Iterator[Place]:
    """Started, with a short drain; lines of shells are judged."""
    (tmp_path / "gateway").mkdir()
    gateway = ssh_gateway(
        ssh_target, tmp_path / "gateway", extra_settings={"drain_s": 2.0}, policy=LINES_JUDGED
    )
    gateway.start()
    try:
        yield Place(gateway, way_through(gateway, ssh_target, tmp_path / "way", None), tmp_path)
    finally:
        if gateway.process is not None and gateway.process.poll() is None:
            gateway.stop()


@contextmanager
def open_shell(way: SshWay) -> Iterator[Terminal]:
    """A person at a prompt."""
    with terminal(way.line("ssh", "-tt", "web-1"), 30, 120) as person:
        person.type(b"echo be''gun\r")
        person.until(rb"begun")
        yield person


@contextmanager
def open_tunnel(way: SshWay, port: int) -> Iterator[socket.socket]:
    """A tunnel to an echo on the target, that has greeted."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        ours = probe.getsockname()[1]
    forward = f"127.0.0.1:{ours}:127.0.0.1:{port}"
    with way.running("ssh", "-N", "-o", "ExitOnForwardFailure=yes", "-L", forward, "web-1"):
        until(lambda: _greets(ours), "the tunnel is open")
        with reached(ours) as connection:
            assert connection.recv(6) == b"hello\n"
            yield connection


def _greets(port: int) -> bool:
    try:
        with reached(port) as connection:
            return connection.recv(6) == b"hello\n"
    except OSError:
        return False


def _ends(connection: socket.socket, limit_s: float) -> None:
    connection.settimeout(limit_s)
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        pass


def test_a_dead_journal_ends_shells_tunnels_and_the_gateway(place: Place) -> None:
    """Whoever cannot record any more ends everything at once and says so by exit code 74."""
    gateway = place.gateway
    with echo_port() as echo, open_shell(place.way) as person, open_tunnel(place.way, echo) as tunnel:
        marker = place.files / "late"
        (writer,) = [
            pid
            for pid in gateway.processes()
            if b"gatekeep.journal.writer" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        os.kill(writer, signal.SIGKILL)
        person.type(f"touch {marker}\r".encode())
        assert gateway.process is not None
        begun = time.monotonic()
        assert gateway.process.wait(30) == 74
        assert time.monotonic() - begun < 15
        _ends(tunnel, 5)
        assert person.end() == 255
        assert b"cannot be recorded right now" in person.seen
        assert not marker.exists()
    gateway.process = None


def test_a_drain_waits_for_nobody_for_ever(place: Place) -> None:
    """Open shells and tunnels are ended after the limit, told why, and their sessions are closed in the record; exit 0."""
    gateway = place.gateway
    with echo_port() as echo, open_shell(place.way) as person, open_tunnel(place.way, echo) as tunnel:
        begun = time.monotonic()
        assert gateway.stop(limit_s=30) == 0
        assert 1.5 < time.monotonic() - begun < 15
        _ends(tunnel, 5)
        assert person.end() == 255
        assert b"the gateway is restarting" in person.seen
    assert gateway.verify().returncode == 0
    gateway.start()
    opened, ended = (
        {one["envelope"]["s"] for one in events(gateway, f"kind:session.{word}")}
        for word in ("opened", "closed")
    )
    assert opened
    assert opened <= ended


def _edited(path: Path, change: object) -> None:
    content = yaml.safe_load(path.read_text())
    change(content)  # type: ignore[operator]  # a function
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def _no_key(place: Place) -> None:
    def change(content: dict[str, list[dict[str, object]]]) -> None:
        content["principals"][0]["keys"] = []

    _edited(place.gateway.config.parent / "principals.yaml", change)


def _no_principal(place: Place) -> None:
    def change(content: dict[str, list[dict[str, object]]]) -> None:
        content["principals"] = [{"name": "bob", "person": "bob", "groups": ["engineers"]}]

    _edited(place.gateway.config.parent / "principals.yaml", change)


def _other_target(place: Place) -> None:
    def change(content: dict[str, list[dict[str, object]]]) -> None:
        content["targets"][0]["environment"] = "prod"

    _edited(place.gateway.config.parent / "targets.yaml", change)


@pytest.mark.parametrize("lose", [_no_key, _no_principal, _other_target])
def test_what_a_reload_takes_away_ends_shells_and_jumps(place: Place, lose: object) -> None:
    """The key, the person or the target is gone or another: the open shell ends, told why.

    A connection that was kept for jumping leads nowhere from then on.
    """
    control = place.files / "mux"
    hold = ("-o", f"ControlPath={control}", "-o", "ControlMaster=yes", "-N", "hop")
    with open_shell(place.way) as person, place.way.running("ssh", *hold):
        until(control.exists, "the connection for jumping is there")
        lose(place)  # type: ignore[operator]  # a function
        assert place.gateway.process is not None
        place.gateway.process.send_signal(signal.SIGHUP)
        assert person.end() == 255
        assert b"this session was ended" in person.seen
        asked = ["-S", str(control), "-W", "web-1:22", "hop"]
        answer = finished(place.way.line("ssh", *asked))
        if lose is _other_target:
            return  # jumping there again begins a new session, under what holds now
        assert not answer.out.startswith(b"SSH-"), answer


def test_a_ca_that_no_longer_counts_ends_what_its_certificates_opened(
    ssh_target: SshTarget, tmp_path: Path
) -> None:
    """Taken out of the file at a reload: the open shell ends, and no certificate of it signs in."""
    (tmp_path / "gateway").mkdir()
    ca, other = make_key(tmp_path / "ca", "ca"), make_key(tmp_path / "other", "other")
    person = make_key(tmp_path / "person", "alice")
    public, listed = person.with_suffix(".pub"), tmp_path / "users.ca"
    signing = ["ssh-keygen", "-q", "-s", str(ca), "-I", "alice at work", "-n", "alice", str(public)]
    assert finished(signing).code == 0
    listed.write_text(ca.with_suffix(".pub").read_text())
    gateway = ssh_gateway(
        ssh_target, tmp_path / "gateway", extra_settings={"ssh": {"port": 0, "user_ca": str(listed)}}
    )
    gateway.start()
    try:
        way = way_through(gateway, ssh_target, tmp_path / "way", None)
        by_certificate = way.line("ssh", "-o", f"IdentityFile={person}", "-tt", "web-1")
        config = way.config.read_text()
        way.config.write_text(config.replace(f"IdentityFile {way.key}", f"IdentityFile {person}"))
        with terminal(by_certificate, 30, 120) as shell:
            shell.type(b"echo be''gun\r")
            shell.until(rb"begun")
            listed.write_text(other.with_suffix(".pub").read_text())
            assert gateway.process is not None
            gateway.process.send_signal(signal.SIGHUP)
            assert shell.end() == 255
            assert b"its certificate no longer works" in shell.seen
        assert b"Permission denied" in way.ssh("true").err
    finally:
        gateway.stop()


def test_a_policy_that_says_no_now_ends_what_begins_next(place: Place) -> None:
    """A multiplexed connection is as good as the policy of each moment."""
    control = place.files / "mux"
    hold = ("-o", f"ControlPath={control}", "-o", "ControlMaster=yes", "-N", "web-1")
    with place.way.running("ssh", *hold):
        until(control.exists, "the connection is there")
        again = place.way.line("ssh", "-S", str(control), "web-1", "echo on")
        assert finished(again).out == b"on\n"
        policy = place.gateway.config.parent / "policy" / "test.cedar"
        policy.write_text(LINES_JUDGED.replace('permit(principal, action == Action::"session.open"', 'forbid(principal, action == Action::"session.open"'))
        assert place.gateway.process is not None
        place.gateway.process.send_signal(signal.SIGHUP)
        until(lambda: "reloaded" in place.gateway.log, "reloaded")
        after = finished(again)
        assert after.out == b""
        assert after.code == 126


def test_a_door_that_is_taken_is_named(ssh_target: SshTarget, tmp_path: Path) -> None:
    """Exit 78, the setting and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        gateway = ssh_gateway(ssh_target, tmp_path, extra_settings={"ssh": {"port": port}})
        with pytest.raises(RuntimeError, match=r"ended with 78(?s:.*)ssh\.port"):
            gateway.start()
