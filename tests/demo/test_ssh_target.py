"""The demo's SSH target is a machine to real clients: shells, files, tunnels, and no stranger."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.running_gateway import await_gone
from support.ssh_journey import Answer, finished, until
from support.ssh_target import needed
from support.ssh_terminal import terminal
from support.ssh_tunnels import conversed, echo_port, listens, reached

from gatekeep.demo import ssh_process, ssh_target
from gatekeep.demo.embedded import free_port
from gatekeep.demo.ssh_process import SshTargetProcess, ensure_key
from gatekeep.errors import SettingsError


class Toy:
    """A running demo target and a client with the right key."""

    def __init__(self, place: Path) -> None:
        needed()
        self.place = place
        public = ensure_key(place / "gateway", "gateway")
        self.target = SshTargetProcess(place / "web-1", public)
        self.target.start()
        self.known = place / "known"
        self.known.write_text(f"[127.0.0.1]:{self.target.port} {self.target.public_key}\n")

    def line(self, program: str, *arguments: str, key: str = "gateway") -> list[str]:
        """A command line of an OpenSSH client."""
        port = "-p" if program == "ssh" else "-P"
        return [
            program, "-F", "/dev/null", "-i", str(self.place / key), port, str(self.target.port),
            "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={self.known}", "-o", "LogLevel=ERROR",
            "-o", "IdentitiesOnly=yes", *arguments,
        ]  # fmt: skip

    def run(self, command: str, *, stdin: bytes = b"") -> Answer:
        """`ssh deploy@…`."""
        return finished(self.line("ssh", "deploy@127.0.0.1", command), stdin=stdin)


@pytest.fixture(scope="module")
def toy() -> Iterator[Toy]:
    """One for all of these tests."""
    place = Path(tempfile.mkdtemp(prefix="gk-t-"))
    made = Toy(place)
    yield made
    made.target.stop()
    shutil.rmtree(place)


def test_commands_run_in_the_accounts_home(toy: Toy) -> None:
    """Input, both outputs, status and death by a signal."""
    assert toy.run("pwd; cat; echo err >&2; exit 4", stdin=b"\0in") == Answer(
        4, f"{toy.target.home}\n\0in".encode(), b"err\n"
    )
    assert toy.run("ls").out == b"README\nshop.log\n"
    assert toy.run("kill -9 $$").code == 255


def test_a_shell_has_a_terminal_that_follows_the_window(toy: Toy) -> None:
    """Prompt, size, resize, interrupt, exit."""
    with terminal(toy.line("ssh", "-t", "deploy@127.0.0.1"), 30, 90) as person:
        person.until(rb"[#$] $")
        person.type(b"stty size; echo $LOGNAME-$((1+1))\r")
        person.until(rb"30 90\r\ndeploy-2\r\n")
        person.resize(40, 100)
        person.type(b"sh -c 'echo up-$((1+1)); exec sleep 1000'\r")
        person.until(rb"up-2")
        person.type(b"\x03")
        person.until(rb"[#$] $")
        person.type(b"stty size; exit 6\r")
        person.until(rb"40 100")
        assert person.end() == 6


def test_strangers_and_other_names_stay_outside(toy: Toy) -> None:
    """Another key, another account, a password: none is let in."""
    ensure_key(toy.place / "stranger", "stranger")
    found = finished(toy.line("ssh", "deploy@127.0.0.1", "id", key="stranger"))
    assert (found.code, found.out) == (255, b"")
    for name in ("root", "deploy2", "Deploy", ""):
        found = finished(toy.line("ssh", "-l", name or "x", "127.0.0.1", "id"))
        assert (found.code, found.out) == (255, b""), name


@pytest.mark.parametrize("protocol", ["-O", "-s"])
def test_files_are_copied_both_ways(toy: Toy, protocol: str, tmp_path: Path) -> None:
    """The old protocol and sftp, relative to the home."""
    (tmp_path / "up").write_bytes(bytes(range(256)) * 4000)
    up = toy.line("scp", "-q", protocol, str(tmp_path / "up"), "deploy@127.0.0.1:there")
    down = toy.line("scp", "-q", protocol, "deploy@127.0.0.1:there", str(tmp_path / "down"))
    assert [finished(up).code, finished(down).code] == [0, 0]
    assert (tmp_path / "down").read_bytes() == (tmp_path / "up").read_bytes()
    (toy.target.home / "there").unlink()


def test_sftp_begins_in_the_home(toy: Toy) -> None:
    """A batch of sftp."""
    found = finished(
        toy.line("sftp", "-q", "-b", "-", "deploy@127.0.0.1"), stdin=b"pwd\nls -1\nget README /dev/null\n"
    )
    assert found.code == 0
    assert f"Remote working directory: {toy.target.home}".encode() in found.out


def test_tunnels_lead_to_loopback_alone(toy: Toy) -> None:
    """A port of the machine is reached; another address is refused."""
    near, barred = free_port(), free_port()
    with echo_port() as far:
        forwards = ("-L", f"{near}:127.0.0.1:{far}", "-L", f"{barred}:192.0.2.1:{far}")
        client = subprocess.Popen(
            toy.line("ssh", "-N", *forwards, "deploy@127.0.0.1"), stderr=subprocess.PIPE
        )
        try:
            until(lambda: listens(near) and listens(barred), "the forwards listen")
            assert conversed(reached(near), b"x") == b"hello\nxbye\n"
            assert conversed(reached(barred), b"x") == b""
        finally:
            client.kill()
            client.communicate()
    assert not ssh_target._is_loopback("a b")


def test_a_client_that_dies_takes_its_command_along(toy: Toy) -> None:
    """Over pipes and in a terminal."""
    mark = toy.place / "pid"
    for option in ("-T", "-tt"):
        command = f"echo $$ > {mark}.new; mv {mark}.new {mark}; exec sleep 1000"
        client = subprocess.Popen(
            toy.line("ssh", option, "deploy@127.0.0.1", command),
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        until(mark.exists, "it runs")
        pid = int(mark.read_text())
        mark.unlink()
        client.kill()
        client.communicate()
        await_gone([pid])


def test_it_ends_with_whoever_started_it_and_leaves_nothing(tmp_path: Path) -> None:
    """Its input ends: the process is gone, and what ran in it; keys and home stay for the next."""
    toy = Toy(tmp_path)
    host_key, pid = toy.target.public_key, toy.target.pid
    mark = tmp_path / "pid"
    client = subprocess.Popen(
        toy.line("ssh", "deploy@127.0.0.1", f"echo $$ > {mark}; exec sleep 1000"),
        stdin=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until(lambda: mark.exists() and mark.read_text(), "it runs")
    toy.target.stop()
    toy.target.stop()
    client.communicate(timeout=20)
    await_gone([pid, int(mark.read_text())])
    assert SshTargetProcess(tmp_path / "web-1", "").public_key == host_key
    assert (tmp_path / "web-1" / "host_key").stat().st_mode & 0o077 == 0


def test_a_taken_port_is_passed_over(tmp_path: Path) -> None:
    """Another port is found; a directory that cannot serve is told of."""
    public = ensure_key(tmp_path / "key", "")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        target = SshTargetProcess(tmp_path / "web-1", public)
        target.start(taken.getsockname()[1])
        assert target.port not in {0, taken.getsockname()[1]}
        target.stop()
    (tmp_path / "web-1" / "host_key").write_text("no key")
    with pytest.raises(SettingsError, match="did not start"):
        target.start()
    assert target.pid == 0


def test_the_program_says_how_it_is_used() -> None:
    """Without arguments it ends with 2."""
    done = subprocess.run(
        [sys.executable, "-m", ssh_target.__name__], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr.startswith("usage: ")) == (2, True)
    assert ssh_process.HOST_KEY == ssh_target.HOST_KEY
