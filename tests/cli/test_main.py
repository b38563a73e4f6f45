"""The root: help, and what every verb has in common."""

from __future__ import annotations

import pytest
from support.gateway_thread import Gatekeep

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
    for word in (*NOUNS, "serve", "demo", "check", "reload", "whoami", "show", "version"):
        assert f"\n  {word} " in out


@pytest.mark.parametrize(
    "verb", [verb for verb in SOCKET_VERBS if verb[0] not in {"serve", "demo"}]
)
def test_every_verb_takes_the_shared_options(gatekeep: Gatekeep, verb: tuple[str, ...]) -> None:
    """`-o`, `--state`, `--color` and `--header` mean the same everywhere."""
    out = gatekeep(*verb, "--help").out
    for option in ("-o, --output", "--state", "--color", "--header"):
        assert option in out
