"""What waits for a person, with real ssh, sftp, scp and git before a real sshd.

Approved, denied, unanswered, withdrawn; commands, shells, lines, files, tunnels.
"""

from __future__ import annotations

import hashlib
import importlib.util
import random
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.client_tools import needed
from support.opened_journal import events
from support.ssh_people import SHELLS, People, people
from support.ssh_target import SshTarget
from support.ssh_terminal import Terminal, terminal
from support.ssh_tunnels import echo_port

pytestmark = pytest.mark.journey

DATA = random.Random(3).randbytes(3 * 1024 * 1024 + 5)


@pytest.fixture
def place(ssh_target: SshTarget, tmp_path: Path) -> Iterator[People]:
    """A gateway that asks about touch, written files and tunnels."""
    with people(ssh_target, tmp_path) as made:
        yield made


@pytest.fixture(params=["off", "bash"])
def shell(request: pytest.FixtureRequest, ssh_target: SshTarget, tmp_path: Path) -> Iterator[People]:
    """The same, with lines read off the screen, and reported by the shell itself."""
    with people(ssh_target, tmp_path, hook=request.param) as made:
        yield made


# --- commands -------------------------------------------------------------------------------------


def test_an_approved_command_gives_the_same_output_as_one_that_nobody_asked_about(
    place: People,
) -> None:
    """Standard output and status are the target's own; all of ours is on standard error."""
    command = f"touch {place.files}/made; printf 'one\\ntwo'; exit 3"
    with place.running(place.way.line("ssh", "web-1", command)) as client:
        request = place.asked()
        assert not (place.files / "made").exists()
        place.approve(request)
        done = client.answer()
    assert (done.code, done.out) == (3, b"one\ntwo")
    assert (place.files / "made").exists()
    said = done.err.decode().splitlines()
    assert said[0] == (
        f"gatekeep: waiting for approval by sre (bob or carol), request {request.id}, 15 min"
    )
    assert said[1].startswith("gatekeep:   touch ")
    assert re.fullmatch(
        rf"gatekeep: an SRE looks at new files · rule touch-needs-sre · http.*/r/{request.id}",
        said[2],
    )
    assert said[3:] == [
        "gatekeep: nothing has run yet; Ctrl-C withdraws",
        f"gatekeep: carol approved {request.id}, running it now",
    ]
    for kind in ("approval.requested", "action.requested", "approval.decided", "action.released"):
        assert len(events(place.gateway, f"request:{request.id} kind:{kind}")) == 1


def test_a_denied_command_ends_126_and_says_who_and_why(place: People) -> None:
    """Nothing was run, and nothing is on standard output."""
    with place.running(place.way.line("ssh", "web-1", f"touch {place.files}/made")) as client:
        request = place.deny("on the replica first")
        done = client.answer()
    assert (done.code, done.out) == (126, b"")
    assert done.err.decode().splitlines()[-3:] == [
        f"gatekeep: carol denied request {request.id}",
        "gatekeep: reason: on the replica first",
        "gatekeep: nothing was run; talk to carol, or change it and try again",
    ]
    assert not (place.files / "made").exists()


def test_a_command_that_nobody_answers_about_ends_126(ssh_target: SshTarget, tmp_path: Path) -> None:
    """After the time that a question stays open."""
    with people(ssh_target, tmp_path, open_s=1.0) as place:
        done = place.way.ssh(f"touch {place.files}/made")
        assert (done.code, done.out) == (126, b"")
        assert b"nobody answered request" in done.err
        assert not (place.files / "made").exists()


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_a_client_that_ends_withdraws_its_command(place: People, sign: signal.Signals) -> None:
    """Ctrl-C without a terminal, or a machine that went away: a late yes runs nothing."""
    with place.running(place.way.line("ssh", "web-1", f"touch {place.files}/made")) as client:
        request = place.asked()
        client.process.send_signal(sign)
        assert place.ended(request) == "withdrawn"
    assert not (place.files / "made").exists()


def test_ctrl_c_on_a_terminal_withdraws_a_command(place: People) -> None:
    """The key itself: nothing has a terminal on the target yet."""
    command = place.way.line("ssh", "-tt", "web-1", f"touch {place.files}/made")
    with terminal(command) as person:
        person.until(rb"Ctrl-C withdraws\r\n")
        request = place.asked()
        person.type(b"\x03")
        person.until(rb"was withdrawn\r\n")
        assert place.ended(request) == "withdrawn"
        assert person.end() == 126
    assert not (place.files / "made").exists()


def test_input_waits_for_what_is_held(place: People) -> None:
    """Megabytes on a pipe are neither lost nor read ahead without end."""
    command = f"touch {place.files}/made; sha256sum"
    with place.running(place.way.line("ssh", "web-1", command), DATA) as client:
        place.approve()
        done = client.answer()
    assert done.out.split()[0].decode() == hashlib.sha256(DATA).hexdigest()


def test_a_script_on_standard_input_waits_as_what_it_is(place: People) -> None:
    """The approver reads all of it; it runs after the yes."""
    script = f"x=1\ntouch {place.files}/made\necho done\n".encode()
    with place.running(place.way.line("ssh", "web-1", "bash -s"), script) as client:
        client.process.stdin.write(script)
        client.process.stdin.close()
        client.process.stdin = None
        request = place.asked()
        assert f"touch {place.files}/made" in request.subject.text
        place.approve(request)
        done = client.process.communicate(timeout=60)
    assert done[0] == b"done\n"


def test_git_says_why_it_waits_and_why_not(place: People, tmp_path: Path) -> None:
    """Its own protocol is untouched; our lines are on standard error."""
    needed("git")
    source = tmp_path / "source"
    more = {"GIT_SSH_COMMAND": place.way.ssh_words, "GIT_CONFIG_GLOBAL": "/dev/null"}
    for words in (["init", "-q", str(source)], ["-C", str(source), "commit", "-q", "--allow-empty", "-m", "one"]):
        with place.running(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], more=more) as client:
            assert client.answer().code == 0
    with place.running(["git", "clone", f"web-1:{source}", str(tmp_path / "copy")], more=more) as client:
        place.approve()
        done = client.answer()
    assert done.code == 0
    assert b"gatekeep: waiting for approval by sre" in done.err
    with place.running(["git", "clone", f"web-1:{source}", str(tmp_path / "more")], more=more) as client:
        place.deny()
        done = client.answer()
    assert done.code != 0
    assert b"gatekeep: reason: not on a Friday" in done.err


def test_ansible_shows_why_it_was_refused(place: People, tmp_path: Path) -> None:
    """Its task ends unreachable, with our lines among its own."""
    if importlib.util.find_spec("ansible") is None:
        pytest.skip("ansible-core is not installed")
    local = tmp_path / "ansible"
    local.mkdir()
    command = [
        sys.executable, "-m", "ansible", "adhoc", "web-1", "-i", "web-1,", "-m", "raw", "-a",
        f"touch {place.files}/made",
    ]  # fmt: skip
    more = {
        "ANSIBLE_SSH_ARGS": f"-F {place.way.config} -C", "ANSIBLE_LOCAL_TEMP": str(local / "tmp"),
        "ANSIBLE_HOME": str(local / "home"), "ANSIBLE_NOCOLOR": "1", "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1", "ANSIBLE_STDOUT_CALLBACK": "minimal",
    }  # fmt: skip
    with place.running(command, more=more) as client:
        request = place.deny("not on a Friday")
        done = client.answer()
    assert done.code != 0
    said = (done.out + done.err).decode()
    assert f"gatekeep: carol denied request {request.id}" in said, said
    assert "gatekeep: reason: not on a Friday" in said
    assert "gatekeep: nothing was run" in said
    assert not (place.files / "made").exists()


# --- shells and lines -----------------------------------------------------------------------------


def test_a_shell_is_held_at_its_opening(ssh_target: SshTarget, tmp_path: Path) -> None:
    """What policy asks of a shell as such is asked before there is one."""
    with people(ssh_target, tmp_path, policy=SHELLS) as place:
        with terminal(place.way.line("ssh", "-tt", "web-1")) as person:
            person.until(rb"nothing has run yet; Ctrl-C withdraws\r\n")
            assert place.asked().subject.kind.value == "shell"
            place.approve()
            person.until(rb"running it now\r\n")
            person.until(rb"recorded as S-")
            person.type(b"echo be''gun; exit 4\r")
            person.until(rb"begun")
            assert person.end() == 4
        with terminal(place.way.line("ssh", "-tt", "web-1")) as person:
            place.deny()
            person.until(rb"gatekeep: nothing was run")
            assert person.end() == 126


def enter(person: Terminal, line: str, pattern: bytes) -> None:
    """Type a line, and wait for what it shows."""
    person.type(line.encode() + b"\r")
    person.until(pattern)


def test_an_approved_line_runs_and_the_shell_goes_on(shell: People) -> None:
    """Told and held in place; keys pressed meanwhile are ignored; exactly the line runs, once."""
    with terminal(shell.way.line("ssh", "-tt", "web-1"), 30, 120) as person:
        enter(person, "echo be''gun", rb"begun")
        enter(person, f"touch {shell.files}/made", rb"waiting for approval by sre \(bob or carol\)")
        request = shell.asked()
        assert request.subject.kind.value == "line"
        person.until(rb"Ctrl-C withdraws")
        person.type(f"touch {shell.files}/other\r".encode())
        person.until(rb"held; other keys are ignored until it is decided")
        assert not (shell.files / "made").exists()
        shell.approve(request)
        person.until(rb"carol approved")
        enter(person, "echo se''cond", rb"second")
        assert (shell.files / "made").exists()
        assert not (shell.files / "other").exists()
        enter(person, "exit 0", rb"")
        assert person.end() == 0
    told = shell.now(request)
    assert told.state.value == "approved"
    inferred = told.subject.facts["assurance"] == "inferred"
    assert (b"read from the screen" in person.seen) is inferred


def test_a_denied_or_withdrawn_line_does_not_run(shell: People) -> None:
    """Words, then the prompt; Ctrl-C before anybody has answered is as good as a no."""
    with terminal(shell.way.line("ssh", "-tt", "web-1"), 30, 120) as person:
        enter(person, "echo be''gun", rb"begun")
        enter(person, f"touch {shell.files}/denied", rb"Ctrl-C withdraws")
        shell.deny()
        person.until(rb"gatekeep: reason: not on a Friday")
        # A shell that reports its lines keeps a denied one in its editor.
        person.until(rb"nothing was run(?s:.*)([#$] |/denied)$")
        person.type(b"\x15")
        enter(person, "echo se''cond", rb"second")
        enter(person, f"touch {shell.files}/withdrawn", rb"Ctrl-C withdraws")
        request = shell.asked()
        person.type(b"\x03")
        person.until(rb"gatekeep: withdrawn")
        person.until(rb"nothing was run(?s:.*)[#$] $")
        assert shell.ended(request) == "withdrawn"
        enter(person, "echo th''ird", rb"third")
        assert list(shell.files.iterdir()) == []


def test_a_held_line_of_a_client_that_is_gone_is_withdrawn(shell: People) -> None:
    """Nobody waits any more, so nobody is asked any more."""
    with terminal(shell.way.line("ssh", "-tt", "web-1"), 30, 120) as person:
        enter(person, "echo be''gun", rb"begun")
        enter(person, f"touch {shell.files}/made", rb"Ctrl-C withdraws")
        request = shell.asked()
    assert shell.ended(request) == "withdrawn"
    assert list(shell.files.iterdir()) == []


# --- files ----------------------------------------------------------------------------------------


def test_an_sftp_put_waits_and_then_goes_whole(place: People, tmp_path: Path) -> None:
    """The client just waits; who decides is on standard error."""
    (tmp_path / "up").write_bytes(DATA)
    batch = f"put {tmp_path}/up {place.files}/there\n".encode()
    with place.running(place.way.line("sftp", "-b", "-", "web-1"), batch) as client:
        client.process.stdin.write(batch)
        client.process.stdin.close()
        client.process.stdin = None
        request = place.asked()
        assert request.subject.kind.value == "file"
        assert not (place.files / "there").exists()
        while client.process.poll() is None:
            for one in place.pending():
                place.approve(one)
        err = client.process.communicate(timeout=60)[1]
    assert client.process.returncode == 0, err
    assert (place.files / "there").read_bytes() == DATA
    assert b"gatekeep: waiting for approval by sre" in err


def test_a_denied_sftp_put_is_permission_denied(place: People, tmp_path: Path) -> None:
    """With the words on standard error, because sftp shows its own."""
    (tmp_path / "up").write_bytes(b"x")
    batch = f"put {tmp_path}/up {place.files}/there\n".encode()
    with place.running(place.way.line("sftp", "-b", "-", "web-1"), batch) as client:
        client.process.stdin.write(batch)
        client.process.stdin.close()
        client.process.stdin = None
        request = place.deny()
        err = client.process.communicate(timeout=60)[1]
    assert client.process.returncode != 0
    assert b"ermission denied" in err
    assert f"gatekeep: carol denied request {request.id}\n".encode() in err
    assert b"gatekeep: reason: not on a Friday\n" in err
    assert not (place.files / "there").exists()


@pytest.mark.parametrize("protocol", ["-O", "-s"])
def test_scp_waits_in_both_of_its_protocols(place: People, tmp_path: Path, protocol: str) -> None:
    """In the old one the command and each file are asked about; denied, it says so."""
    (tmp_path / "up").write_bytes(DATA)
    command = place.way.line("scp", "-q", protocol, str(tmp_path / "up"), f"web-1:{place.files}/there")
    with place.running(command) as client:
        while client.process.poll() is None:
            for one in place.pending():
                place.approve(one)
        err = client.process.communicate(timeout=60)[1]
    assert client.process.returncode == 0, err
    assert (place.files / "there").read_bytes() == DATA
    assert b"gatekeep: waiting for approval by sre" in err
    command[-1] = f"web-1:{place.files}/more"
    with place.running(command) as client:
        request = place.deny()
        done = client.answer()
    assert done.code != 0
    assert f"carol denied request {request.id}".encode() in done.err
    assert not (place.files / "more").exists()


# --- tunnels --------------------------------------------------------------------------------------


def test_a_tunnel_waits_and_then_carries_bytes(place: People) -> None:
    """`ssh -W` just waits; denied, it hears the first line."""
    with echo_port() as port:
        told = ("-o", "LogLevel=INFO")
        command = place.way.line("ssh", *told, "-W", f"127.0.0.1:{port}", "web-1")
        with place.running(command, b"there and back") as client:
            request = place.asked()
            assert request.subject.kind.value == "tunnel"
            place.approve(request)
            done = client.answer()
        assert done.out == b"hello\nthere and backbye\n"
        with place.running(command) as client:
            request = place.deny()
            done = client.answer()
        assert done.code != 0
        assert f"gatekeep: carol denied request {request.id}".encode() in done.err
