"""Exit codes: the table in the docs, and every code that can be reached now."""

from __future__ import annotations

import importlib
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from support.api_world import ALICE, released
from support.gateway_thread import Gatekeep, Gateway

from gatekeep.cli import main
from gatekeep.cli.exits import Exit, Stop
from gatekeep.errors import JournalUnavailable, NotPermitted, SettingsError

ROOT = Path(__file__).resolve().parents[2]


def test_the_docs_hold_the_table() -> None:
    """docs/cli.md lists each exit code once, and none that does not exist."""
    text = (ROOT / "docs" / "cli.md").read_text()
    section = text.split("## Exit codes")[1].split("\n## ")[0]
    told = [int(number) for number in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)]
    assert told == [code.value for code in Exit]


def test_done_is_0_also_for_an_empty_list(gateway: Gateway, gatekeep: Gatekeep) -> None:
    """An empty list is not a failure."""
    told = gatekeep("sessions", "ls")
    assert (told.code, told.out) == (0, "")


def test_failed_is_1(gateway: Gateway, gatekeep: Gatekeep) -> None:
    """A gateway that cannot record says so, and the command fails."""
    gateway.world.journal_down = True
    told = gatekeep("audit", "search")
    assert told.code == Exit.FAILED
    assert "cannot be recorded" in told.err
    assert told.out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("bogus",),
        ("audit",),
        (),
        ("audit", "show", "x"),
        ("audit", "show", "-1"),
        ("tokens", "ls", "-o", "csv"),
        ("tokens", "new", "--ttl", "soon"),
    ],
)
def test_wrong_usage_is_2(gatekeep: Gatekeep, arguments: tuple[str, ...]) -> None:
    """Wrong usage is found before the gateway is asked, and `try:` names the help."""
    told = gatekeep(*arguments)
    assert told.code == Exit.USAGE
    assert told.out == ""
    assert "gatekeep: " in told.err
    assert "  try: " in told.err


def test_a_query_that_makes_no_sense_is_2(gateway: Gateway, gatekeep: Gatekeep) -> None:
    """Also when only the gateway can tell."""
    assert gatekeep("audit", "search", "principal:").code == Exit.USAGE


def test_not_allowed_is_3(gateway: Gateway, gatekeep: Gatekeep) -> None:
    """A refusal by policy has the rule's words."""
    gateway.world.people.uids[os.getuid()] = ALICE
    told = gatekeep("tokens", "new", "bob")
    assert told.code == Exit.NOT_ALLOWED
    assert told.err.splitlines() == [
        "gatekeep: policy does not allow token.make",
        "  why: rule gateway-rule: because",
        "  try: ask olga, who owns the rule",
    ]


def test_a_stranger_is_3(gateway: Gateway, gatekeep: Gatekeep) -> None:
    """An operating system account that is no principal is not allowed, and told what to do."""
    gateway.world.people.uids.clear()
    told = gatekeep("whoami")
    assert told.code == Exit.NOT_ALLOWED
    assert "os_user" in told.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("audit", "show", "7"),
        ("show", "7"),
        ("show", "S-XXXX"),
        ("show", "K3F9"),
        ("targets", "show", "nowhere"),
        ("tokens", "revoke", "zzz"),
        ("tokens", "revoke", "../x"),
    ],
)
def test_not_found_is_5(gateway: Gateway, gatekeep: Gatekeep, arguments: tuple[str, ...]) -> None:
    """Whatever has no such id."""
    assert gatekeep(*arguments).code == Exit.NOT_FOUND


@pytest.mark.parametrize("stale", [True, False])
def test_not_reached_is_9(gatekeep: Gatekeep, tmp_path: Path, stale: bool) -> None:
    """No gateway, or one that was killed and left its socket: the same code, and what to do."""
    if stale:
        with socket.socket(socket.AF_UNIX) as killed:
            killed.bind(str(tmp_path / "gatekeep.sock"))
    for arguments in (("whoami",), ("audit", "tail")):
        told = gatekeep(*arguments)
        assert told.code == Exit.NOT_REACHED
        assert "gatekeep serve" in told.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (JournalUnavailable("the journal cannot write", fatal=True), Exit.CANNOT_RECORD),
        (SettingsError("is no port", file="g.yaml", key="port", fix="use 1"), Exit.SETTINGS),
        (NotPermitted("no"), Exit.NOT_ALLOWED),
    ],
)
def test_serve_has_codes_of_its_own(
    gatekeep: Gatekeep, monkeypatch: pytest.MonkeyPatch, error: Exception, code: Exit
) -> None:
    """74 when the journal cannot write, 78 for settings or policy."""

    def fail(_settings: Path | None, _ready_file: Path | None) -> int:
        raise error

    _pretend(monkeypatch, "gatekeep.app", serve=fail)
    told = gatekeep("serve")
    assert told.code == code
    assert "Traceback" not in told.err


def test_serve_hands_on_what_the_gateway_returns(
    gatekeep: Gatekeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway's own exit code is the command's, and it gets the settings file."""
    seen: list[tuple[Path | None, Path | None]] = []
    _pretend(monkeypatch, "gatekeep.app", serve=lambda *given: seen.append(given) or 74)
    told = gatekeep("serve", "--settings", "x.yaml", "--ready-file", "r.json")
    assert told.code == Exit.CANNOT_RECORD
    assert seen == [(Path("x.yaml"), Path("r.json"))]


def test_an_unforeseen_failure_shows_its_place_and_no_text(
    gatekeep: Gatekeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug is told without what it held in its hands."""

    def fail(_settings: Path | None, _ready_file: Path | None) -> int:
        raise RuntimeError("password=hunter2")

    _pretend(monkeypatch, "gatekeep.app", serve=fail)
    told = gatekeep("serve")
    assert told.code == Exit.FAILED
    assert "hunter2" not in told.err
    assert "test_exits.py" in told.err


def test_the_words_of_a_failure_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """Not even an error text drives the terminal."""
    Stop("\x1b[2J", why="\u202e", advice="\x07").tell(sys.stderr)
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert err.splitlines() == [r"gatekeep: \x1b[2J", r"  why: \u202e", r"  try: \x07"]


def test_interrupted_is_130(gateway: Gateway, tmp_path: Path) -> None:
    """Ctrl-C in a tail ends it with 130 and no traceback, after what was shown is shown."""
    gateway.soon(lambda: gateway.world.archive.add(released(0)))
    with _started(tmp_path, "audit", "tail", "--from", "0") as tail:
        assert tail.stdout is not None
        assert "alice" in tail.stdout.readline()
        tail.send_signal(signal.SIGINT)
        _, err = tail.communicate(timeout=20)
    assert tail.returncode == Exit.INTERRUPTED
    assert "Traceback" not in err


def test_a_reader_that_leaves_is_no_failure(gateway: Gateway, tmp_path: Path) -> None:
    """`gatekeep audit tail | head -1` ends without a complaint."""
    gateway.soon(lambda: gateway.world.archive.add(released(0)))
    with _started(tmp_path, "audit", "tail", "--from", "0") as tail:
        assert tail.stdout is not None
        tail.stdout.readline()
        tail.stdout.close()
        gateway.soon(lambda: gateway.world.archive.add(released(1)))
        assert tail.wait(timeout=20) == Exit.DONE
        assert tail.stderr is not None
        assert tail.stderr.read() == ""


def _started(state: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "gatekeep.cli.main", *arguments, "--state", str(state)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _pretend(monkeypatch: pytest.MonkeyPatch, name: str, **members: object) -> None:
    """Stand in for a room that the command imports when it runs."""
    real = importlib.import_module

    def pick(wanted: str, package: str | None = None) -> ModuleType | SimpleNamespace:
        return SimpleNamespace(**members) if wanted == name else real(wanted, package)

    monkeypatch.setattr(importlib, "import_module", pick)


def test_every_failure_of_the_root_is_a_code() -> None:
    """The function that turns failures into codes never lets one pass."""
    assert main.run(["--bogus"]) == Exit.USAGE


def test_a_failure_inside_the_verifier_is_no_finding(
    gatekeep: Gatekeep, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """1 means tampering: a bug of ours says 4, cannot decide, instead."""

    def fail(*_given: object, **_named: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("gatekeep.cli.audit_files.verify_files", fail)
    assert gatekeep("audit", "verify", str(tmp_path)).code == 4
