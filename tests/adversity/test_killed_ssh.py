"""kill -9 under SSH: what a person was shown is in the recording, what ran is unknown, the log holds.

A shell that shows output, an upload and a tunnel are under way each time.
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.gateway import Gateway
from support.opened_journal import events
from support.running_gateway import await_gone
from support.ssh_journey import SshWay, ssh_gateway, until, way_through
from support.ssh_target import SshTarget
from support.ssh_terminal import Terminal, terminal
from support.ssh_tunnels import echo_port, exactly, listens, reached

from gatekeep.demo.embedded import free_port

pytestmark = pytest.mark.journey

ROUNDS = [pytest.param(1, id="small"), pytest.param(10, id="whole", marks=pytest.mark.soak)]
#: The last second of what was seen may be lost; as much again is left to a busy machine, on which
#: bytes that left the gateway together are seen apart.
LATE_NS = 2_000_000_000
TICKS = b"n=0; while :; do n=$((n+1)); echo tick-$n-$(date +%s%N).; sleep 0.02; done\r"
TICK = re.compile(rb"tick-(\d+)-(\d{19})\.")


@dataclass
class Place:
    """A gateway that is killed and started again, and the target behind it."""

    gateway: Gateway
    target: SshTarget
    directory: Path
    starts: int = 0

    def started(self) -> SshWay:
        """Start it; the way through it, whose port is another one each time."""
        self.gateway.start()
        self.starts += 1
        return way_through(self.gateway, self.target, self.directory / f"way-{self.starts}", None)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Everything is permitted."""
    target = SshTarget()
    (tmp_path / "gateway").mkdir()
    gateway = ssh_gateway(target, tmp_path / "gateway")
    try:
        yield Place(gateway, target, tmp_path)
    except BaseException as error:
        error.add_note(f"the gateway's diagnostics:\n{gateway.log[-6000:]}")
        raise
    finally:
        gateway.stop()
        target.stop()


@pytest.mark.parametrize("rounds", ROUNDS)
def test_kill_9_under_a_shell_an_upload_and_a_tunnel(place: Place, rounds: int) -> None:
    """Sessions read aborted, actions unknown, recordings end in the last second; verify is 0."""
    (place.directory / "file").write_bytes(b"x" * 20_000_000)
    persons: list[Terminal] = []
    killed_ns: list[int] = []
    way = place.started()
    for number in range(rounds):
        pids = place.gateway.processes()
        with at_work(way, number) as person:
            pause_until_shown(person, 40 + 30 * number)
            killed_ns.append(time.time_ns())
            assert place.gateway.stop(signal.SIGKILL) == -signal.SIGKILL
            assert person.end() == 255, "the client is told of a lost connection"
        persons.append(person)
        way = place.started()
        await_gone(pids)
        done = place.gateway.verify()
        assert done.returncode == 0, done.stdout + done.stderr
        assert way.ssh("echo alive").out == b"alive\n", "a new session works at once"
    told(place, rounds)
    for person, when in zip(persons, killed_ns, strict=True):
        recorded_to_the_last_second(place.gateway, person, when)
    assert place.gateway.stop() == 0
    assert place.gateway.verify().returncode == 0


@contextmanager
def at_work(way: SshWay, number: int) -> Iterator[Terminal]:
    """An upload, a tunnel with a conversation, and a shell that shows a tick each 20 ms."""
    near = free_port()
    with ExitStack() as stack:
        far = stack.enter_context(echo_port())
        stack.enter_context(
            way.running("ssh", "-N", "-L", f"{near}:127.0.0.1:{far}", "web-1")
        )
        upload = stack.enter_context(way.running("sftp", "-q", "-l", "4000", "web-1"))
        person = stack.enter_context(terminal(way.line("ssh", "-tt", "web-1"), 30, 120))
        until(lambda: listens(near), "the forward listens")
        tunnel = stack.enter_context(reached(near))
        tunnel.sendall(b"before")
        assert exactly(tunnel, 12) == b"hello\nbefore"
        assert upload.stdin is not None
        copy = way.target.directory / f"copy-{number}"
        upload.stdin.write(f"put {way.directory.parent}/file {copy}\n".encode())
        upload.stdin.flush()
        until(lambda: copy.exists() and copy.stat().st_size, "the upload is under way")
        person.until(rb"[#$] ")
        person.type(TICKS)
        yield person


def pause_until_shown(person: Terminal, ticks: int) -> None:
    """Read on until so many ticks were shown."""
    person.until(rb"tick-%d-" % ticks)


def told(place: Place, rounds: int) -> None:
    """Each killed session is aborted, and each action under way is unknown; nothing else is."""
    rows = [line.split("\t") for line in place.gateway.run("sessions", "ls", "--past").stdout.splitlines()]
    states = [row[5] for row in rows]
    assert states.count("aborted") == 3 * rounds
    assert states.count("closed") == rounds, "the session that came after each"
    unknown = events(place.gateway, "outcome:unknown kind:action.unknown")
    found = [event["payload"]["class"] for event in unknown]
    for name in ("ssh.shell", "sftp.write", "tunnel.open"):
        assert found.count(name) == rounds, found
    aborted = events(place.gateway, "kind:session.aborted principal:alice")
    assert len(aborted) == 3 * rounds
    finished = events(place.gateway, '"echo alive"')
    assert {event["outcome"]["outcome"] for event in finished} == {"done"}


def recorded_to_the_last_second(gateway: Gateway, person: Terminal, killed_ns: int) -> None:
    """The recording is the beginning of what was shown, up to a second before the last of it."""
    shown = TICK.findall(person.seen)
    first = shown[0][1].decode()
    for code in aborted_shells(gateway):
        raw = gateway.run("sessions", "replay", code, "--raw")
        assert raw.returncode == 0, raw.stderr
        recorded = TICK.findall(raw.stdout.encode())
        if recorded and recorded[0][1].decode() == first:
            break
    else:
        raise AssertionError("no recording begins as the person's terminal did")
    common = min(len(recorded), len(shown))
    assert recorded[:common] == shown[:common], "recorded is what was shown, without a gap"
    last_ns = min(killed_ns, person.moments[-1][1])
    places = [found.start() for found in TICK.finditer(person.seen)][common:]
    lost = [place for place in places if person.seen_at_ns(place) < last_ns - LATE_NS]
    assert not lost, f"{len(lost)} ticks older than the last second are not recorded"
    text = gateway.run("sessions", "replay", code).stdout
    assert f"tick-{recorded[-1][0].decode()}-" in text
    assert "session.aborted" in text
    detail = gateway.run("sessions", "show", code).stdout
    assert "state: aborted" in detail
    assert "\tno\t" in detail, "the recording is said to be incomplete"


def aborted_shells(gateway: Gateway) -> list[str]:
    """Codes of killed sessions that have a recording."""
    rows = [line.split("\t") for line in gateway.run("sessions", "ls", "--past").stdout.splitlines()]
    return [row[0] for row in rows if row[5] == "aborted"]
