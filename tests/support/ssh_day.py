"""A day of alice's over SSH, through a gateway with a few rules, and how a reviewer asks about it.

Commands, a shell, files, tunnels, a jump and refusals; what she saw of each is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.gateway import PERMISSIVE, Gateway
from support.opened_journal import events
from support.running_gateway import until
from support.ssh_journey import Answer, SshWay, finished
from support.ssh_terminal import Terminal, terminal
from support.ssh_tunnels import conversed, echo_port, listens, reached

from gatekeep.demo.embedded import free_port

GUARDED = (
    PERMISSIVE
    + """
@id("no-touch")
@why("files are made by deployments")
@owner("storage")
forbid(principal, action in [Action::"ssh.line", Action::"ssh.exec"], resource)
when { context.program == "touch" };
@id("no-removals")
@why("nothing is removed by hand")
forbid(principal, action == Action::"sftp.delete", resource);
@id("no-strangers")
@why("only known places")
forbid(principal, action == Action::"tunnel.open", resource) when { context.port == 7 };
"""
)
WELCOME = rb"gatekeep: alice on web-1 as (\S+), recorded as (S-[0-9A-Z]{8})\r\n"
TOUCH = (
    b'gatekeep: policy does not allow "touch %s" on web-1\n'
    b"gatekeep: rule no-touch: files are made by deployments (owner storage)\n"
    b"gatekeep: nothing was run\n"
)


@dataclass
class Day:
    """A gateway after alice's day, and what she saw of it."""

    gateway: Gateway
    way: SshWay
    seen: dict[str, Any] = field(default_factory=dict)

    @property
    def files(self) -> Path:
        """Where files of this day are."""
        return self.way.directory

    def cli(self, *arguments: str) -> str:
        """What a verb prints into a pipe; it must succeed."""
        done = self.gateway.run(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.stdout} {done.stderr}"
        return done.stdout

    def table(self, *arguments: str) -> list[list[str]]:
        """The same, cut into columns."""
        return [line.split("\t") for line in self.cli(*arguments).splitlines()]

    def found(self, query: str) -> list[dict[str, Any]]:
        """Events that a search gives, oldest first."""
        return events(self.gateway, query)

    def on_a_terminal(self, *arguments: str, keys: bytes = b"", first: bytes = b"") -> bytes:
        """What a verb shows a person; `keys` are pressed once `first` was shown."""
        person = reviewing(self.gateway, *arguments)
        try:
            if first:
                person.until(first)
            if keys:
                person.type(keys)
            assert person.end() == 0, person.seen
            return person.seen
        finally:
            person.close()


def reviewing(gateway: Gateway, *arguments: str) -> Terminal:
    """A verb on a terminal of its own."""
    settings = [f"GATEKEEP_CONFIG={gateway.config}", "COLUMNS=140", "LINES=40"]
    return Terminal(["env", *settings, *gateway._cli(), *arguments], 40, 140)


def lived(day: Day) -> None:
    """All of it, until every session is closed."""
    commands(day)
    in_a_shell(day)
    files_moved(day)
    through_tunnels(day)
    until(
        lambda: all(row[5] == "closed" for row in day.table("sessions", "ls", "--past")),
        "all sessions are closed",
    )


def commands(day: Day) -> None:
    """One that runs, one that fails, one that is refused."""
    day.seen["ran"] = day.way.ssh("echo needle-in-exec; exit 3")
    day.seen["refused"] = day.way.ssh(f"touch {day.files}/made")
    day.seen["jumped"] = finished(day.way.line("ssh", "inner", "echo over-the-jump"))


def in_a_shell(day: Day) -> None:
    """Three lines, one of them refused, and an end."""
    with terminal(day.way.line("ssh", "-tt", "web-1"), 30, 120) as person:
        person.until(rb"[#$] $")
        person.type(b"printf 'needle-in-''shell gr\\303\\274n\\n'\r")
        person.until(rb"needle-in-shell gr\xc3\xbcn")
        person.type(f"touch {day.files}/from-shell\r".encode())
        person.until(rb"nothing was run")
        person.type(b"echo wa''it; read x; echo rea''dy\r")
        person.until(rb"wait\r\n")
        person.resize(40, 100)
        person.type(b"go\r")
        person.until(rb"ready\r\n")
        person.type(b"exit 4\r")
        assert person.end() == 4
        day.seen["shell"] = person.seen


def files_moved(day: Day) -> None:
    """By sftp and both kinds of scp; one removal is refused."""
    near, far = day.files / "near", day.files / "far"
    near.mkdir()
    far.mkdir()
    (near / "up").write_bytes(b"content" * 1000)
    batch = f"put {near}/up {far}/put\nget {far}/put {near}/got\n-rm {far}/put\n"
    day.seen["sftp"] = finished(day.way.line("sftp", "-q", "-b", "-", "web-1"), stdin=batch.encode())
    for kind in ("-O", "-s"):
        copied = finished(day.way.line("scp", "-q", kind, f"{near}/up", f"web-1:{far}/scp{kind}"))
        assert copied == Answer(0, b"", b"")
    assert (near / "got").read_bytes() == (near / "up").read_bytes()
    assert (far / "put").exists(), "the removal was refused"


def through_tunnels(day: Day) -> None:
    """One that is permitted, one that no rule permits, one that a rule forbids."""
    near, forbidden, cloud = free_port(), free_port(), free_port()
    with echo_port() as far:
        leads = {near: f"127.0.0.1:{far}", forbidden: "192.0.2.1:7", cloud: "169.254.169.254:80"}
        options = [word for port, to in leads.items() for word in ("-L", f"{port}:{to}")]
        with day.way.running("ssh", "-v", "-N", *options, "web-1") as client:
            until(lambda: all(listens(port) for port in leads), "the forwards listen")
            assert conversed(reached(near), b"x") == b"hello\nxbye\n"
            assert conversed(reached(forbidden), b"x") == b""
            assert conversed(reached(cloud), b"x") == b""
            client.kill()
            day.seen["tunnels"] = client.communicate(timeout=30)[1]
        day.seen["destination"] = f"127.0.0.1:{far}"
