"""Words for what waits over SSH: whole printable lines, prefixed, that say what was not done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gatekeep.messages import PREFIX, RuleWords
from gatekeep.messages import ssh_approvals as words

ASKING = words.Asking(
    "M7QA", (("sre-lead",),), ("carol",), 900, "systemctl restart postgresql",
    "prod-service-restart", "stops a database on production", "https://gw.example/r/M7QA",
)  # fmt: skip


def test_waiting_reads_as_designed() -> None:
    """Who decides, what, why and where, what has not happened: the lines of the design."""
    why = "stops a database on production · rule prod-service-restart"
    assert words.waiting(ASKING) == (
        "gatekeep: waiting for approval by sre-lead (carol), request M7QA, 15 min",
        "gatekeep:   systemctl restart postgresql",
        f"gatekeep: {why} · https://gw.example/r/M7QA",
        "gatekeep: nothing has run yet; Ctrl-C withdraws",
    )
    assert words.approved("M7QA", ["carol"]) == ("gatekeep: carol approved M7QA, running it now",)


def test_a_line_off_the_screen_says_so() -> None:
    """And that it is compared again."""
    (line,) = set(words.waiting(replace(ASKING, inferred=True))) - set(words.waiting(ASKING))
    assert line == (
        "gatekeep: (read from the screen; the exact line is compared again before it runs)"
    )


def test_a_shell_as_such_is_named() -> None:
    """It has no command of its own."""
    lines = words.waiting(replace(ASKING, command=""))
    assert lines[1] == "gatekeep:   (an interactive shell)"


def test_what_is_not_known_is_left_out() -> None:
    """No reason, rule or console: no line about them; many people are not all named."""
    bare = words.Asking("M7QA", (("dba:2",), ("sre", "security")), tuple("abcdefg"), 59, "a\nb\n")
    who = "2 of dba or sre and security (a, b, c, d, e or 2 more)"
    assert words.waiting(bare) == (
        f"gatekeep: waiting for approval by {who}, request M7QA, 59 s",
        "gatekeep:   a (the first of 2 lines)",
        "gatekeep: nothing has run yet; Ctrl-C withdraws",
    )


def test_while_it_waits() -> None:
    """The time that is left is rounded up to minutes, and others who are asked are named."""
    assert words.still_waiting("M7QA", 721) == (
        "gatekeep: still waiting for request M7QA, 13 min left",
    )
    assert words.escalated("M7QA", ["dba-lead"]) == (
        "gatekeep: request M7QA now also went to dba-lead",
    )


REFUSALS = [
    words.denied("M7QA", "bob", "run it on the replica first"),
    words.expired("M7QA", 900, ["bob", "carol"], ["dba-lead"]),
    words.withdrawn("M7QA", "client left"),
    words.gateway_drains("M7QA"),
    words.fits_no_more("M7QA", ["host_key"]),
    words.denied_lately("M7QA", "bob", 700),
    words.too_many_open(5),
    words.nobody_to_ask(RuleWords("prod", "why", "storage")),
]


@pytest.mark.parametrize("lines", REFUSALS, ids=lambda lines: lines[0])
def test_every_refusal_says_that_nothing_was_run(lines: tuple[str, ...]) -> None:
    """Plain lines that open with our name; the last says what was not done."""
    assert all(line.startswith(PREFIX) and line.isprintable() for line in lines)
    assert lines[-1].startswith("gatekeep: nothing was run")


def test_refusals_say_who_and_why() -> None:
    """The person, her reason, whom else was asked, what changed, how long to wait."""
    told = [lines[:-1] for lines in REFUSALS]
    assert told[:6] == [
        ("gatekeep: bob denied request M7QA", "gatekeep: reason: run it on the replica first"),
        (
            "gatekeep: nobody answered request M7QA in 15 min",
            "gatekeep: asked: bob and carol, then dba-lead",
        ),
        ("gatekeep: request M7QA was withdrawn: client left",),
        ("gatekeep: the gateway is restarting, request M7QA was withdrawn",),
        (
            "gatekeep: the approval of request M7QA no longer fits",
            "gatekeep: host key changed after the question was asked",
        ),
        (
            "gatekeep: bob denied the same in request M7QA, so this was not asked",
            "gatekeep: it can be asked again in 12 min; talk to bob",
        ),
    ]


def test_what_people_wrote_cannot_write_on_the_terminal() -> None:
    """Controls in commands, names, rules and reasons are shown, not sent, and cut."""
    hostile = "\x1b]52;c;aGk=\x07\u202e" * 1000
    asking = words.Asking(
        "M7QA", ((hostile,),), (hostile,), 60, hostile, hostile, hostile, inferred=True
    )
    told = [
        *words.waiting(asking),
        *words.approved("M7QA", [hostile]),
        *words.escalated("M7QA", [hostile]),
        *words.denied("M7QA", hostile, hostile),
        *words.expired("M7QA", 60, [hostile], [hostile]),
        *words.withdrawn("M7QA", hostile),
        *words.denied_lately("M7QA", hostile, 1),
        *words.nobody_to_ask(RuleWords(hostile, hostile, hostile)),
    ]
    assert all(line.isprintable() and len(line) < 600 for line in told)
