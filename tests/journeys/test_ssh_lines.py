"""Lines of interactive shells through a whole gateway: judged, refused in words, and told as they are.

Each story runs with the gate on lines alone (`inferred`) and with the shell's own hook (`attested`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.gateway import PERMISSIVE, Gateway
from support.opened_journal import events, everything
from support.ssh_journey import SshWay, ssh_gateway, until, way_through
from support.ssh_target import SshTarget
from support.ssh_terminal import Terminal, terminal

pytestmark = pytest.mark.journey

NO_TOUCH = (
    PERMISSIVE
    + """
@id("no-touch")
@why("files are made by deployments")
forbid(principal, action == Action::"ssh.line", resource) when { context.program == "touch" };
"""
)


@dataclass
class Place:
    """A gateway that refuses lines which run `touch`."""

    gateway: Gateway
    way: SshWay
    hooked: bool
    files: Path


@pytest.fixture(params=["inferred", "attested"])
def place(
    request: pytest.FixtureRequest, ssh_target: SshTarget, tmp_path: Path
) -> Iterator[Place]:
    """With the gate alone, or with the hook."""
    hooked = request.param == "attested"
    (tmp_path / "gateway").mkdir()
    (tmp_path / "files").mkdir()
    gateway = ssh_gateway(
        ssh_target, tmp_path / "gateway", policy=NO_TOUCH,
        target_extra={"shell_hook": "bash" if hooked else "off"},
        groups={"alice": "engineers"},
    )  # fmt: skip
    gateway.start()
    try:
        way = way_through(gateway, ssh_target, tmp_path / "way", None)
        yield Place(gateway, way, hooked, tmp_path / "files")
    finally:
        gateway.stop()


def enter(person: Terminal, line: str, pattern: bytes) -> None:
    """Type a line, and wait for what it shows."""
    person.type(line.encode() + b"\r")
    person.until(pattern)


def lines(place: Place, outcome: str = "released") -> list[str]:
    """The texts of lines, in order."""
    found = events(place.gateway, f"kind:action.{outcome}")
    return [one["payload"]["text"] for one in found if one["payload"]["mode"] == "line"]


def test_a_denied_line_does_not_run_and_the_next_one_does(place: Place) -> None:
    """The words name rule and reason; nothing was made; the shell goes on; all of it is told."""
    with terminal(place.way.line("ssh", "-tt", "web-1"), 30, 120) as person:
        enter(person, "echo be''gun", rb"begun(?s:.*)[#$] $")
        enter(person, f"touch {place.files}/made", rb"policy does not allow")
        person.until(rb"rule no-touch: files are made by deployments")
        if place.hooked:
            person.until(rb"nothing was run(?s:.*)/made$")  # the denied line stays in the editor
            person.type(b"\x15")
        enter(person, "echo af''ter", rb"after(?s:.*)[#$] $")
        enter(person, "exit 3", rb"")
        assert person.end() == 3
    assert not (place.files / "made").exists()
    released, refused = lines(place), lines(place, "refused")
    assert refused == [f"touch {place.files}/made"]
    assert "echo be''gun" in released
    assert "echo af''ter" in released
    assurances = {
        one["payload"]["assurance"]
        for one in events(place.gateway, "kind:action.released")
        if one["payload"]["mode"] == "line"
    }
    assert assurances == {"attested" if place.hooked else "inferred"}
    assert place.gateway.verify().returncode == 0


SUDO = """sudo -k -p "Pass""word: " true"""
AS_NOBODY = "setpriv --reuid nobody --regid nogroup --clear-groups " if os.geteuid() == 0 else ""
#: A line that asks for a password, what it shows then, and what it shows to a wrong one.
PROMPTS = {
    "read": ("read -s -p 'Pass''word: ' x; echo got-${#x}", rb"Password: ", rb"got-28"),
    "sudo": (AS_NOBODY + SUDO, rb"Password: ", rb"Password: "),
    "mysql": (
        "mysql --protocol=tcp -h 127.0.0.1 -P 1 -u nobody -p", rb"Enter password: ",
        rb"Can't connect",
    ),
}  # fmt: skip


@pytest.mark.parametrize("program", PROMPTS)
def test_a_password_typed_at_a_prompt_is_nowhere(place: Place, program: str) -> None:
    """Not in any event, not in the recording: what is not shown is not kept."""
    if program != "read" and shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    secret = "correct-horse-battery-staple"  # noqa: S105 - typed and looked for
    line, prompt, answer = PROMPTS[program]
    with terminal(place.way.line("ssh", "-tt", "web-1"), 30, 120) as person:
        enter(person, line, prompt)
        enter(person, secret, answer)
        if program == "sudo":  # asks three times
            person.press_until(b"\x03", rb"incorrect password attempt(?s:.*)[#$] $")
        enter(person, "echo be''hind", rb"behind(?s:.*)[#$] $")
        enter(person, "exit", rb"")
        person.end()
    held = everything(place.gateway)
    assert b"behind" in held
    assert secret.encode() not in held
    if not place.hooked:
        # What a program says on the very line of its prompt is counted as shown of what was typed.
        hidden = events(place.gateway, "kind:line.hidden")
        assert any(len(secret) - 10 < one["payload"]["bytes"] <= len(secret) for one in hidden)


def test_lines_typed_while_nothing_is_shown_are_flagged(place: Place) -> None:
    """`stty -echo`: the gate says that something was hidden; the hook says what it was."""
    with terminal(place.way.line("ssh", "-tt", "web-1"), 30, 120) as person:
        enter(person, "echo be''gun", rb"begun")
        enter(person, "stty -echo", rb"\x1b\[\?2004h")
        enter(person, f"mkdir {place.files}/hidden; echo do''ne", rb"done")
        person.type(b"stty echo\rexit\r")
        person.end()
    assert (place.files / "hidden").exists()
    if place.hooked:
        assert any("mkdir" in text for text in lines(place))
    else:
        hidden = events(place.gateway, "kind:line.hidden")
        assert hidden
        assert b"mkdir" not in everything(place.gateway)


def test_what_was_shown_is_recorded_whole(place: Place) -> None:
    """The recording holds what the terminal showed, and the session says how it ended."""
    with terminal(place.way.line("ssh", "-tt", "web-1"), 30, 120) as person:
        enter(person, "printf 'gr\\303\\274\\303\\237e \\n'", rb"gr\xc3\xbc\xc3\x9fe ")
        enter(person, "exit", rb"")
        person.end()
    assert "grüße ".encode() in everything(place.gateway)
    until(lambda: events(place.gateway, "kind:session.closed"), "the session is closed")
