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
from gatekeep.cli.main import build

NOUNS = (
    "audit", "sessions", "request", "approvals", "grants", "targets", "principals", "tokens",
    "policy", "suggest",
)  # fmt: skip
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
    ("request", "new"),
    ("request", "ls"),
    ("request", "show"),
    ("request", "cancel"),
    ("approvals", "ls"),
    ("approvals", "show"),
    ("approvals", "approve"),
    ("approvals", "deny"),
    ("approvals", "delegate"),
    ("approvals", "delegations"),
    ("approvals", "undelegate"),
    ("approvals", "reviews"),
    ("approvals", "review"),
    ("approvals", "oncall"),
    ("grants", "ls"),
    ("grants", "revoke"),
    ("suggest", "ls"),
    ("suggest", "show"),
    ("suggest", "explain"),
    ("suggest", "backtest"),
    ("suggest", "accept"),
    ("suggest", "dismiss"),
    ("suggest", "snooze"),
    ("suggest", "effect"),
    ("suggest", "revert"),
    ("suggest", "samples"),
    ("suggest", "answer"),
    ("suggest", "run"),
    ("breakglass",),
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
    """`-o`, `--state`, `--url`, `--token-file`, `--color`, `--header` mean the same everywhere."""
    out = gatekeep(*verb, "--help").out
    shared = ("-o, --output", "--state", "--url", "--token-file", "--color", "--header")
    for option in shared:
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


def test_no_verb_takes_a_shared_option_for_itself() -> None:
    """But `tokens new`, whose `--token-file` is older than the shared one."""
    taken: list[tuple[str, set[str]]] = []

    def note(app: typer.Typer, path: str) -> None:
        for command in app.registered_commands:
            assert command.callback is not None
            hints = getattr(command.callback, "__wrapped_parameters__", frozenset())
            if hints:
                taken.append((f"{path} {command.name}".strip(), set(hints)))
        for group in app.registered_groups:
            assert group.typer_instance is not None
            note(group.typer_instance, f"{path} {group.name}".strip())

    note(build(), "")
    assert taken == [("tokens new", {"token_file"})]
