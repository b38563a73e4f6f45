"""Slack's words: lengths of time, cut names, and nothing that Slack could read as markup."""

from __future__ import annotations

import pytest

from gatekeep.messages import slack as words


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-3, "0 s"), (0, "0 s"), (59, "59 s"), (60, "1 min"), (72, "1 min 12 s"), (3600, "1 h"), (5400, "1 h 30 min")],
)
def test_lengths_of_time(seconds: int, said: str) -> None:
    """With seconds where they matter."""
    assert words.waited(seconds) == said


def test_long_names_are_cut_and_headers_fit() -> None:
    """Whatever they are made of."""
    long = "\u202e" * 500
    header = words.headline(long, "statement", long, long)
    assert len(header) <= words.HEADER_LIMIT
    assert "\u202e" not in header


def test_where_slack_knows_only_markup_there_is_none() -> None:
    """No mention, no link, no entity of somebody else's making."""
    assert words.plain("<!channel> <@U1> &lt; a&b") == "&lt;!channel&gt; &lt;@U1&gt; &amp;lt; a&amp;b"


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ("DELETE 3 in 1.9 s", ("Ran at ", ": DELETE 3 in 1.9 s. Session S-1")),
        ("failed with 23503 in 0.1 s", ("Ran at ", ": failed with 23503 in 0.1 s. Session S-1")),
        ("void: policy", ("Not run, ", ": policy changed after the question was asked. Session S-1")),
    ],
)
def test_outcomes(outcome: str, said: tuple[str, str]) -> None:
    """What ran, and what did not."""
    assert words.ran(outcome, "S-1") == said


@pytest.mark.parametrize(
    ("kind", "scope", "grant_s", "held", "decides", "said"),
    [
        ("statement", "once", 0, True, True, "Approve and run once"),
        ("statement", "template", 0, True, True, "Approve and run once"),
        ("statement", "once", 0, True, False, "Vote to approve: run once"),
        ("shell", "once", 0, True, True, "Approve and open once"),
        ("file", "once", 0, True, True, "Approve and do once"),
        ("statement", "once", 3600, False, True, "Approve and allow it once within 1 h"),
        ("access", "access", 5400, False, True, "Approve and give access for 1 h 30 min"),
        ("access", "access", 5400, False, False, "Vote to approve: give access for 1 h 30 min"),
    ],
)
def test_the_button_says_what_a_click_does(
    kind: str, scope: str, grant_s: int, *, held: bool, decides: bool, said: str
) -> None:
    """Nothing runs at once that nobody waits for, and no vote decides that is not the last."""
    assert words.approve_button(kind, scope, grant_s, held=held, decides=decides) == said


@pytest.mark.parametrize(
    ("states", "more", "said"),
    [
        ({}, False, "never asked"),
        ({"approved": 1, "expired": 2}, False, "3 asked, 1 approved"),
        ({"denied": 2, "withdrawn": 1}, False, "3 asked, 0 approved, 2 denied, 1 withdrawn"),
        ({"approved": 49}, True, "49+ asked, 49 approved"),
    ],
)
def test_what_became_of_the_same_before(states: dict[str, int], *, more: bool, said: str) -> None:
    """Denials and withdrawals, too: somebody may be trying his luck."""
    assert words.before(states, more=more) == said
