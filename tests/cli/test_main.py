"""The root: help, and what every verb has in common."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import pytest
import typer
from support.gateway_thread import Gatekeep, Gateway

from gatekeep.cli.exits import Exit

NOUNS = ("audit", "sessions", "targets", "principals", "tokens", "policy")
SOCKET_VERBS = (
    ("audit", "tail"),
    ("audit", "search"),
    ("audit", "show"),
    ("sessions", "ls"),
    ("targets", "ls"),
    ("targets", "show"),
    ("principals", "ls"),
    ("tokens", "new"),
    ("tokens", "ls"),
    ("tokens", "revoke"),
    ("whoami",),
    ("show",),
    ("serve",),
    ("demo",),
)


@pytest.mark.parametrize("verb", [(), *SOCKET_VERBS])
def test_help_opens_with_examples(gatekeep: Gatekeep, verb: tuple[str, ...]) -> None:
    """What one reads first is what one can paste."""
    told = gatekeep(*verb, "--help")
    assert told.code == 0
    body = [line.strip() for line in told.out.splitlines() if line.strip()]
    assert body[1] == "Examples:"
    assert body[2].startswith("$ gatekeep ") or "$(gatekeep " in body[2]


def test_every_noun_is_mounted(gatekeep: Gatekeep) -> None:
    """The list of commands holds the nouns and the verbs without one."""
    out = gatekeep("--help").out
    for word in (*NOUNS, "serve", "demo", "check", "doctor", "reload", "whoami", "show", "version"):
        assert f"\n  {word} " in out


@pytest.mark.parametrize(
    "verb", [verb for verb in SOCKET_VERBS if verb[0] not in {"serve", "demo"}]
)
def test_every_verb_takes_the_shared_options(gatekeep: Gatekeep, verb: tuple[str, ...]) -> None:
    """`-o`, `--state`, `--color` and `--header` mean the same everywhere."""
    out = gatekeep(*verb, "--help").out
    for option in ("-o, --output", "--state", "--color", "--header"):
        assert option in out


def _lent(monkeypatch: pytest.MonkeyPatch) -> None:
    def verify_command(
        place: Annotated[Path, typer.Argument(help="Where the log is.")],
        *,
        code: Annotated[int, typer.Option(help="What to answer.")] = 0,
    ) -> int:
        """Prove it."""
        sys.stdout.write(f"verified {place}\n")
        return code

    monkeypatch.setattr(
        importlib, "import_module", lambda _name: SimpleNamespace(verify_command=verify_command)
    )


def test_a_lent_verb_keeps_its_own_options_and_code(
    gatekeep: Gatekeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verbs that are written elsewhere get their arguments, and their exit code is the command's."""
    _lent(monkeypatch)
    told = gatekeep("audit", "verify", "journal", "--code", "3")
    assert (told.code, told.out) == (3, "verified journal\n")
    assert "--code" in gatekeep("audit", "verify", "--help").out


def test_wrong_usage_of_evidence_is_64(gatekeep: Gatekeep, monkeypatch: pytest.MonkeyPatch) -> None:
    """2 means incomplete evidence there, so a slip of the pen has a code that means nothing else."""
    _lent(monkeypatch)
    for arguments in ((), ("journal", "--bogus"), ("journal", "--code", "x")):
        told = gatekeep("audit", "verify", *arguments)
        assert told.code == Exit.EVIDENCE_USAGE
        assert told.err.endswith("try: gatekeep audit verify --help\n")


def test_a_poor_encoding_is_no_failure(gateway: Gateway, tmp_path: Path) -> None:
    """Where the reader's encoding has no `→`, its code is written instead."""
    gateway.world.drawer.make("alice", ttl_s=None, note="a → b")
    done = subprocess.run(
        [sys.executable, "-m", "gatekeep.cli.main", "tokens", "ls", "--state", str(tmp_path)],
        env={"PYTHONIOENCODING": "ascii", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == Exit.DONE
    assert done.stdout.endswith("\ta \\u2192 b\n")
