"""What the API says of approvals: short, one form, and no foreign text as it came."""

from __future__ import annotations

import inspect

import pytest

from gatekeep.messages import api
from gatekeep.messages.api import Words

FIXED = {name: value for name, value in vars(api).items() if isinstance(value, Words)}
NAMED = (api.no_request, api.no_grant, api.no_delegation, api.no_review, api.no_principal)


@pytest.mark.parametrize("name", FIXED)
def test_every_sentence_keeps_the_form(name: str) -> None:
    """Lower case, one line, no full stop; the advice is something to do."""
    words = FIXED[name]
    assert words.what[0].islower()
    assert not any(part.endswith(".") or "\n" in part for part in words)
    assert words.advice or name == "NOT_SET_UP"


@pytest.mark.parametrize("say", NAMED)
def test_foreign_names_are_escaped_and_cut(say: object) -> None:
    """Whatever was asked for is told in visible characters, and not at length."""
    assert inspect.isfunction(say)
    words = say("\x1b[2J" + "x" * 1000)
    assert words.what.startswith(("no request \\x1b", "no grant \\x1b", "no delegation \\x1b",
                                  "no review \\x1b", "no principal \\x1b"))  # fmt: skip
    assert len(words.what) < 70
    assert "gatekeep " in words.advice


def test_a_ballot_that_does_not_count_says_so_once() -> None:
    """The desk's sentence, and that nothing changed, as why."""
    late = api.not_counted("bob already denied K3F9 at 14:20 UTC. Nothing changed.", "K3F9", late=True)
    assert late == ("bob already denied K3F9 at 14:20 UTC", "nothing changed", "gatekeep show K3F9")
    own = api.not_counted("You asked for K3F9, so someone else must decide: bob.", "K3F9")
    assert own.what == "You asked for K3F9, so someone else must decide: bob"


def test_a_fault_names_its_place() -> None:
    """And no more than the beginning of what was sent."""
    assert api.not_understood("code", "too long") == "code: too long"
    assert api.not_understood("", "x") == "x"
    assert api.given_twice("\x07") == "\\x07 is given twice"
