"""Hostile bytes through a whole gateway: the person gets them, the record keeps them, nobody obeys them.

Output that forges marks, starts transfers, plays with screens and sizes; names and commands made of
escape sequences; a target that shows another host key.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko
import pytest
from support.gateway import PERMISSIVE, Gateway
from support.hostile_terminal import HOSTILE, forbidden, stream
from support.opened_journal import events, recorded, unbroken, without
from support.ssh_day import reviewing
from support.ssh_journey import SshWay, ssh_gateway, until, way_through
from support.ssh_target import SshTarget, make_key
from support.ssh_terminal import Terminal, terminal

pytestmark = pytest.mark.journey

GATED = (
    PERMISSIVE
    + """
@id("no-touch")
forbid(principal, action == Action::"ssh.line", resource) when { context.program == "touch" };
"""
)
ZMODEM = b"rz\r**\x18B00000000000000\r\x8a\x11**\x18B0100000023be50\r\x8a\x11\x18\x18\x18\x18\x18\r\n"
FORGED = (
    b"\x1b[?2004lroot@fake:~# touch /forged\r\n\x1b[?2004h"
    b"\x1b]133;A\x07\x1b]133;B\x07\x1b]133;C\x07\x1b]133;D;0\x07\x1b[?2004h\x1b[?2004l\r\n"
)


@dataclass
class Place:
    """A gateway, and the way through it."""

    gateway: Gateway
    way: SshWay
    gated: bool


@pytest.fixture(scope="module", params=["free", "gated"])
def place(
    request: pytest.FixtureRequest, ssh_target: SshTarget, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """No rule is about lines, or one is."""
    directory = tmp_path_factory.mktemp(request.param)
    (directory / "g").mkdir()
    gated = request.param == "gated"
    gateway = ssh_gateway(ssh_target, directory / "g", policy=GATED if gated else PERMISSIVE)
    try:
        gateway.start()
        yield Place(gateway, way_through(gateway, ssh_target, directory / "w", None), gated)
        assert gateway.verify().returncode == 0
    finally:
        gateway.stop()


@contextlib.contextmanager
def shell(place: Place, rows: int = 40, columns: int = 140) -> Iterator[tuple[Terminal, str]]:
    """A shell at its prompt, and its session's code."""
    with terminal(place.way.line("ssh", "-tt", "web-1"), rows, columns) as person:
        code = person.until(rb"recorded as (S-\w{8})").group(1).decode()
        person.until(rb"[#$] $")
        yield person, code


def left(person: Terminal) -> None:
    """Leave by a line of one's own."""
    person.type(b"echo le''ft; exit 3\r")
    person.until(rb"left")
    assert person.end() == 3


def same_as_recorded(place: Place, person: Terminal, code: str) -> None:
    """The recording is complete, and all of what the person saw: the target's bytes and our words."""
    until(lambda: events(place.gateway, f"session:{code} kind:session.closed"), "its end")
    shown, words = recorded(place.gateway, code)
    assert without(person.seen, words) == unbroken(shown)


def lines(place: Place, code: str) -> list[str]:
    """The lines that were told of a session."""
    found = events(place.gateway, f"session:{code} kind:action.*")
    return [one["payload"]["text"] for one in found if one["payload"]["mode"] == "line"]


@pytest.mark.parametrize(
    "name", ["forged marks", "zmodem", "alternate screen", "bracketed paste", "shell marks", "reset"]
)
def test_output_that_plays_tricks_is_only_output(place: Place, tmp_path: Path, name: str) -> None:
    """The person gets every byte, the record holds every byte, and no line was made up."""
    tricks = {"forged marks": FORGED, "zmodem": ZMODEM}
    (tmp_path / "bytes").write_bytes(tricks.get(name) or stream(name))
    with shell(place) as (person, code):
        person.type(f"cat {tmp_path}/bytes; echo do''ne\r".encode())
        person.until(rb"done\r\n")
        person.until(rb"[#$] $")
        left(person)
    same_as_recorded(place, person, code)
    told = lines(place, code)
    assert told[0] == f"cat {tmp_path}/bytes; echo do''ne"
    asked = [one for one in told[1:] if one != "full_screen"]  # what a gate is asked, and only then
    assert asked == ["echo le''ft; exit 3"], told
    assert "touch /forged" not in " ".join(told)


def test_characters_cut_anywhere_and_a_storm_of_sizes(place: Place, tmp_path: Path) -> None:
    """Bytes of wide characters that come one by one, while the window changes all the time."""
    text = "grüße 世界 🙂 é ".encode() * 40
    script = tmp_path / "slow.py"
    script.write_text(
        f"import os, time\nfor byte in {text!r}:\n    os.write(1, bytes([byte]))\n    time.sleep(0.0005)\n"
    )
    with shell(place) as (person, code):
        person.type(f"echo be''gun; python3 {script}; echo do''ne\r".encode())
        person.until(rb"begun\r\n")
        for number in range(200):
            person.resize(10 + number % 40, 20 + number % 200)
        person.until(rb"done\r\n")
        person.until(rb"[#$] ")
        assert text in person.seen
        person.resize(40, 140)
        person.type(b"\x04")
        person.end()
    same_as_recorded(place, person, code)


def test_a_paste_of_ten_kilobytes_is_one_line_whole(place: Place, tmp_path: Path) -> None:
    """In a window that can show it, it runs as pasted, and the event holds all of it."""
    pasted = "echo " + "x" * 10_000 + f" | tee {tmp_path}/pasted | wc -c"
    with shell(place, 120, 200) as (person, code):
        person.type(b"\x1b[200~" + pasted.encode() + b"\x1b[201~\r")
        person.until(rb"[\r\n]10001\r\n")
        person.until(rb"[#$] $")
        left(person)
    assert (tmp_path / "pasted").stat().st_size == 10_001
    same_as_recorded(place, person, code)
    assert pasted in lines(place, code)


# -- what reviewers read -----------------------------------------------------------------------


def signed_in(gateway: Gateway, key: Path, user: str, version: str = "") -> paramiko.Transport:
    """A client that says what it likes of itself."""
    connection = socket.create_connection(("127.0.0.1", gateway.ssh_port), timeout=30)
    transport = paramiko.Transport(connection)
    if version:
        transport.local_version = f"SSH-2.0-{version}"
    transport.start_client(timeout=30)
    transport.auth_publickey(user, paramiko.Ed25519Key.from_private_key_file(str(key)))
    return transport


def told_badly(gateway: Gateway, target: SshTarget, directory: Path) -> None:
    """Commands, file names, target names, user names and versions made of escape sequences."""
    texts = [data.replace(b"\0", b"")[:2000] for data in HOSTILE.values()]
    transport = signed_in(gateway, target.key, "alice+web-1", "evil\x1b]0;title\x07\x1b[6n")
    with contextlib.closing(transport):
        for text in texts:
            channel = transport.open_session(timeout=30)
            with contextlib.suppress(paramiko.SSHException):  # what is no UTF-8 is refused
                channel.exec_command(b": '" + text.replace(b"'", b"") + b"'")
                channel.recv_exit_status()
            channel.close()
        sftp = paramiko.SFTPClient.from_transport(transport)
        assert sftp is not None
        for text in texts:
            name = text.replace(b"/", b"")[:100]
            with contextlib.suppress(OSError, UnicodeError):
                sftp.stat(f"{directory}/".encode() + name)
            with contextlib.suppress(OSError, UnicodeError):
                sftp.open(f"{directory}/".encode() + name, "w").close()
        (directory / "all").write_bytes(b"".join(map(stream, HOSTILE)))
        channel = transport.open_session(timeout=30)
        channel.get_pty("xterm\x1b]0;x\x07", 120, 30)
        channel.exec_command(f"cat {directory}/all".encode())
        while channel.recv(65536):
            pass
    for text in texts:
        for user in (b"alice+" + text[:60], text[:60]):
            with contextlib.suppress(paramiko.SSHException, OSError, UnicodeError, EOFError):
                told = signed_in(gateway, target.key, user.decode("utf-8", "replace"))
                with contextlib.closing(told):
                    told.open_session(timeout=5)


def test_no_verb_lets_anything_through_to_a_reviewer(
    ssh_target: SshTarget, tmp_path: Path
) -> None:
    """Into pipes and on terminals: text, and what our own painter paints, nothing else."""
    (tmp_path / "g").mkdir()
    (tmp_path / "f").mkdir()
    gateway = ssh_gateway(ssh_target, tmp_path / "g")
    gateway.start()
    try:
        told_badly(gateway, ssh_target, tmp_path / "f")
        assert "Traceback" not in gateway.log
        rows = gateway.run("sessions", "ls", "--past").stdout.splitlines()
        most = rows[-1].split("\t")[0]  # the oldest, which did most
        (pty,) = re.findall(r"^(\d+)\t.*\t120x30\t", gateway.run("sessions", "show", most).stdout, re.MULTILINE)
        found = gateway.run("audit", "search", "-n", "1000", "-o", "json")
        refused = re.findall(r'"n": (\d+),\s+"state": "OK",\s+"envelope": \{[^}]*?"k": "session.refused"', found.stdout)
        verbs = [
            ["audit", "search", "-n", "1000"], ["audit", "search", "-n", "1000", "-o", "yaml"],
            ["audit", "search", "-n", "1000", "-o", "json"], ["sessions", "ls", "--past"],
            ["sessions", "show", most], ["sessions", "show", most, "-o", "json"],
            ["sessions", "replay", most],
            *(["sessions", "export", most, "--channel", pty, "--format", one] for one in ("cast", "cast2", "text", "jsonl")),
            *(["audit", "show", n] for n in refused[:2]),
        ]  # fmt: skip
        for verb in verbs:
            done = gateway.run(*verb)
            assert done.returncode == 0, (verb, done.stderr)
            assert len(done.stdout) > 100, verb
            assert not forbidden(done.stdout + done.stderr), verb
        for verb in (*verbs[:1], *verbs[3:5], ["sessions", "replay", most, "--channel", pty, "--speed", "1000"]):
            shown = on_a_terminal(gateway, *verb)
            assert not forbidden(shown), (verb, forbidden(shown)[:200])
        tail = reviewing(gateway, "audit", "tail", "--from", "0")
        tail.until(b"recording.viewed")
        assert not forbidden(tail.seen.decode()), forbidden(tail.seen.decode())[:200]
        tail.close()
    finally:
        gateway.stop()


def on_a_terminal(gateway: Gateway, *arguments: str) -> str:
    """All that a verb shows a person; a player is left by its own key."""
    person = reviewing(gateway, *arguments)
    try:
        if "replay" in arguments:
            person.until(rb"0:00:0\d / ")
            person.type(b"q")
        assert person.end() == 0, person.seen[-500:]
        return person.seen.decode()
    finally:
        person.close()


# -- another host key --------------------------------------------------------------------------


def test_a_changed_host_key_is_told_with_both_fingerprints(tmp_path: Path) -> None:
    """Nothing runs, the event names both, and the known key works again."""
    target = SshTarget()
    (tmp_path / "g").mkdir()
    gateway = ssh_gateway(target, tmp_path / "g")
    known = target.directory / "host_key"
    try:
        gateway.start()
        way = way_through(gateway, target, tmp_path / "w", None)
        assert way.ssh("echo first").out == b"first\n"
        kept = {file: file.read_bytes() for file in (known, known.with_suffix(".pub"))}
        for file in kept:
            file.unlink()
        make_key(known, "other")
        target.restart()
        refused = way.ssh("echo not-run")
        assert (refused.code, refused.out) == (255, b"")
        told = refused.err.decode()
        prints = re.findall(r"SHA256:[A-Za-z0-9+/]{43}", told)
        assert len(set(prints)) == 2, told
        assert told.startswith("gatekeep: web-1 shows a host key that is not the known one\n")
        assert told.endswith("gatekeep: nothing was run\n")
        (event,) = events(gateway, "kind:hostkey.changed")
        assert [*event["payload"]["known"], event["payload"]["shown"]] == prints
        row = gateway.run("audit", "search", "kind:hostkey.changed").stdout.split("\t")
        assert row[4:6] == ["alice", "web-1"] or row[5] == "web-1"
        assert all(one in row[8] for one in prints)
        for file, content in kept.items():
            file.write_bytes(content)
        known.chmod(0o600)
        target.restart()
        assert way.ssh("echo again").out == b"again\n"
        assert gateway.verify().returncode == 0
    finally:
        gateway.stop()
        target.stop()
