"""`gatekeep principals password`: the password is never an argument; the line is all of stdout."""

from __future__ import annotations

from pathlib import Path

import pytest
from argon2 import PasswordHasher

from gatekeep.cli import passwords
from gatekeep.cli.exits import Stop
from gatekeep.cli.main import run

GOOD = "correct horse battery"


def test_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first line is the password; stdout is one line that fits it, stderr says what to do with it."""
    (tmp_path / "p").write_text(f"{GOOD}\r\nsecond line\n")
    assert run(["principals", "password", "--password-file", str(tmp_path / "p")]) == 0
    told = capsys.readouterr()
    assert PasswordHasher().verify(told.out.removesuffix("\n"), GOOD)
    assert told.out.count("\n") == 1
    assert "principals.yaml" in told.err
    assert GOOD not in told.out + told.err


def test_from_the_terminal_twice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two prompts without echo; two that differ make no line."""
    typed = iter([GOOD, GOOD, GOOD, "something else"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(passwords.getpass, "getpass", lambda _prompt: next(typed))
    assert run(["principals", "password"]) == 0
    assert PasswordHasher().verify(capsys.readouterr().out.strip(), GOOD)
    assert run(["principals", "password"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "the two passwords differ" in told.err


def test_without_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A script is told which option to use, with exit 2."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert run(["principals", "password"]) == 2
    assert "--password-file" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["short", "\n", "aaaaaaaaaaaaaaaaaaaa"])
def test_weak_ones_make_no_line(tmp_path: Path, text: str) -> None:
    """What anybody guesses is not hashed."""
    (tmp_path / "p").write_text(text)
    with pytest.raises(Stop, match="will not do"):
        passwords.password_command(password_file=tmp_path / "p")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """It is named, and nothing else is told."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name in ("missing", "binary"):
        with pytest.raises(Stop, match="cannot be read"):
            passwords.password_command(password_file=tmp_path / name)
