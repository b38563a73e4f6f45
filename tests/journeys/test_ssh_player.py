"""Exports of a real shell, as the public player reads them, and by the published description alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.client_tools import CLIENTS, asciinema_player, run
from support.gateway import Gateway
from support.ssh_journey import ssh_gateway, until, way_through
from support.ssh_target import SshTarget
from support.ssh_terminal import terminal

pytestmark = pytest.mark.journey

CODES = {2: {"o", "i", "m", "r"}, 3: {"o", "i", "m", "r", "x"}}
SHOWN = "grüße 世界 🙂"


@dataclass
class Shell:
    """A shell that has ended."""

    gateway: Gateway
    code: str
    directory: Path

    def export(self, version: int) -> Path:
        """Its cast."""
        file = self.directory / f"v{version}.cast"
        if not file.exists():
            wanted = "cast" if version == 3 else "cast2"
            done = self.gateway.run("sessions", "export", self.code, "--format", wanted, "-f", str(file))
            assert done.returncode == 0, done.stderr
        return file


@pytest.fixture(scope="module")
def shell(ssh_target: SshTarget, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """Colours, wide characters, another size on the way, bytes that are no text, an exit status."""
    directory = tmp_path_factory.mktemp("player")
    (directory / "gateway").mkdir()
    gateway = ssh_gateway(ssh_target, directory / "gateway")
    gateway.start()
    try:
        way = way_through(gateway, ssh_target, directory / "way", None)
        with terminal(way.line("ssh", "-tt", "web-1"), 30, 120) as person:
            code = person.until(rb"recorded as (S-\w{8})").group(1).decode()
            person.until(rb"[#$] $")
            person.type(f"printf '\\033[31m{SHOWN}\\033[0m\\n\\377\\n'; read x\r".encode())
            person.until(SHOWN.encode() + rb"\x1b\[0m\r\n")
            person.resize(40, 100)
            person.type(b"go\rexit 7\r")
            assert person.end() == 7
        until(lambda: "closed" in gateway.run("sessions", "show", code).stdout, "it is closed")
        yield Shell(gateway, code, directory)
    finally:
        gateway.stop()


def strictly(file: Path, version: int) -> tuple[dict[str, Any], list[tuple[float, str, str]]]:
    """Header and events (moments from the start), by https://docs.asciinema.org/manual/asciicast/."""
    raw = file.read_bytes()
    assert raw.isascii()
    assert raw.endswith(b"\n")
    header, *lines = [json.loads(line) for line in raw.decode().split("\n")[:-1]]
    assert header["version"] == version
    size = header["term"] if version == 3 else header
    names = ("cols", "rows") if version == 3 else ("width", "height")
    assert all(isinstance(size[name], int) and size[name] > 0 for name in names)
    assert isinstance(header["timestamp"], int)
    events: list[tuple[float, str, str]] = []
    now = 0.0
    for line in lines:
        assert isinstance(line, list)
        at, code, data = line
        assert isinstance(at, int | float)
        assert at >= 0
        assert code in CODES[version]
        assert isinstance(data, str)
        now = now + at if version == 3 else at
        assert not events or now >= events[-1][0], "time never goes back"
        if code == "r":
            assert re.fullmatch(r"[1-9]\d{0,3}x[1-9]\d{0,3}", data)
        if code == "x":
            assert re.fullmatch(r"\d{1,3}", data)
        events.append((now, code, data))
    return header, events


@pytest.mark.parametrize("version", [2, 3])
def test_an_export_keeps_to_the_published_description(shell: Shell, version: int) -> None:
    """Header, events, sizes and exit; the text is there, and what is no text is replaced."""
    header, events = strictly(shell.export(version), version)
    size = (header["term"]["cols"], header["term"]["rows"]) if version == 3 else (
        header["width"], header["height"])  # fmt: skip
    assert size == (120, 30)
    assert (header["term"]["type"] if version == 3 else header["env"]["TERM"]) == "xterm"
    output = "".join(data for _, code, data in events if code == "o")
    assert f"\x1b[31m{SHOWN}\x1b[0m\r\n\ufffd\r\n" in output
    assert [data for _, code, data in events if code == "r"] == ["100x40"]
    assert [data for _, code, data in events if code == "x"] == (["7"] if version == 3 else [])
    assert any("recorded as" in data for _, code, data in events if code == "m")


def test_both_versions_tell_the_same(shell: Shell) -> None:
    """The same events at the same moments."""
    (_, two), (_, three) = strictly(shell.export(2), 2), strictly(shell.export(3), 3)
    three = [event for event in three if event[1] != "x"]
    assert [event[1:] for event in two] == [event[1:] for event in three]
    assert all(abs(one[0] - other[0]) < 0.001 for one, other in zip(two, three, strict=True))


@pytest.mark.parametrize("version", [2, 3])
def test_the_public_player_loads_an_export(shell: Shell, version: int, tmp_path: Path) -> None:
    """Size, duration, markers and every event are what the file says."""
    modules = asciinema_player()
    (core,) = modules.glob("core-*.js")
    exposed = modules / "exposed.mjs"
    exposed.write_text(core.read_text() + "\nexport { PARSERS, loadFullRecording };\n")
    file = shell.export(version)
    (told,) = run("node", str(CLIENTS / "player" / "load.mjs"), str(exposed), str(file), cwd=tmp_path)
    loaded = json.loads(told)
    _, events = strictly(file, version)
    assert (loaded["cols"], loaded["rows"]) == (120, 30)
    assert loaded["duration"] == pytest.approx(events[-1][0] * 1000, abs=1)
    marks = [(at, data) for at, code, data in events if code == "m"]
    assert [label for _, label in loaded["markers"]] == [label for _, label in marks]
    kept = [event for event in loaded["events"] if event[1] in "or"]
    assert [code for _, code, _ in kept] == [code for _, code, _ in events if code in "or"]
    assert "".join(data for _, code, data in kept if code == "o") == "".join(
        data for _, code, data in events if code == "o"
    )
    (size,) = [data for _, code, data in kept if code == "r"]
    assert size in ("100x40", {"cols": 100, "rows": 40})
