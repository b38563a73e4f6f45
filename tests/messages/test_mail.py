"""What mails say: whole or not at all, one line for each header, nothing that acts."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.messages import mail as words

NOON = 1_794_477_120_000_000
"""12 November 2026, 09:52 UTC."""
ASKED = words.Asked(
    "K3F9", "alice", "DELETE", "orders-prod", "app_rw", "DELETE FROM customers;",
    "ticket OPS-412", "prod-writes-need-dba", "a dba looks at every change", "high", (("dba",),),
    ("bob", "carol"), NOON, "https://gw.example/r/K3F9",
)  # fmt: skip
HOSTILE = "\x1b[2J\x07\u202e\u200b\r\nBcc: all@example.org\r\n\r\n" + "z" * 10_000


def is_one_line(text: str) -> bool:
    """Whether nothing in it ends a line, acts, or is hidden."""
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return not any(unicodedata.category(character) in hidden for character in text)


def test_the_words_of_a_question() -> None:
    """Who, on what, all of it, why, until when, where; and that the link decides nothing."""
    assert words.subject(ASKED) == "[gatekeep] K3F9 waiting: DELETE on orders-prod (high)"
    assert words.waiting(ASKED, "Europe/Berlin") == (
        "alice asks to run DELETE on orders-prod as app_rw, request K3F9.\n"
        "\n"
        "    DELETE FROM customers;\n"
        "\n"
        'Reason given: "ticket OPS-412"\n'
        "Why asked: rule prod-writes-need-dba, a dba looks at every change. Risk: high.\n"
        "Asked: dba (bob or carol).\n"
        "Open until 10:52 CET, 12 Nov 2026.\n"
        "\n"
        "https://gw.example/r/K3F9\n"
        "Deciding needs sign-in; opening this link decides nothing.\n"
    )


def test_leave_for_a_target_and_what_nobody_gave_a_reason_for() -> None:
    """The same mail, with other words where there is something else to say."""
    asked = replace(
        ASKED, access=True, reason=" ", risk="", why="", approvers=(("dba:2", "sre"), ("lead",))
    )
    text = words.waiting(asked, "UTC")
    assert text.startswith("alice asks access to orders-prod as app_rw, request K3F9.\n")
    assert "No reason given.\n" in text
    assert "Why asked: rule prod-writes-need-dba.\n" in text
    assert "Asked: 2 of dba and sre or lead (bob or carol).\n" in text
    assert words.subject(asked) == "[gatekeep] K3F9 waiting: DELETE on orders-prod"


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        (replace(ASKED, text="x\n" * 212), "212 lines, read them here: "),
        (replace(ASKED, text="x" * 2_501), "2501 characters, read them here: "),
        (replace(ASKED, text="a\nb", redacted=True), "2 lines, read them here: "),
        (replace(ASKED, withheld=True), "1 line, read them here: "),
    ],
)
def test_what_cannot_be_shown_whole_is_not_shown_in_part(asked: words.Asked, line: str) -> None:
    """Too long, with secrets, or of a target whose texts leave the gateway nowhere."""
    text = words.waiting(asked, "UTC")
    assert f"\n{line}https://gw.example/r/K3F9" in text
    assert "    " not in text
    assert "DELETE FROM" not in text


@pytest.mark.parametrize("text", ["x\n" * 40, "x" * 2_500, "\x1b" * 2_500, "\u202e" * 60])
def test_what_is_shown_is_all_of_it(text: str) -> None:
    """Also where each character takes six to be shown."""
    shown = words.waiting(replace(ASKED, text=text), "UTC")
    assert "…" not in shown
    assert shown.count("x") - words.waiting(ASKED, "UTC").count("x") >= text.count("x")
    assert shown.count("\\") >= text.count("\x1b") + text.count("\u202e")


@given(st.text(max_size=300), st.sampled_from(["principal", "verb", "target", "account", "reason",
                                               "rule", "why", "risk"]))  # fmt: skip
def test_what_people_write_stays_in_its_line(text: str, where: str) -> None:
    """No header, no line and no escape can be made of a name or a reason."""
    asked = replace(ASKED, **{where: text})
    assert is_one_line(words.subject(asked))
    lines = words.waiting(asked, "UTC").split("\n")
    assert len(lines) == len(words.waiting(ASKED, "UTC").split("\n"))
    assert all(map(is_one_line, lines))


def test_a_reason_of_ten_kilobytes_is_cut() -> None:
    """And shown as what it is."""
    text = words.waiting(replace(ASKED, reason=HOSTILE), "UTC")
    assert 'Reason given: "\\x1b[2J\\x07\\u202e\\u200b\\x0d\\x0aBcc: all@example.org' in text
    assert len(text) < 1_200


@pytest.mark.parametrize(
    ("state", "by", "reason", "line"),
    [
        ("approved", ["bob", "carol"], "agreed", 'bob and carol approved K3F9 at noon: "agreed"'),
        ("approved", [], "", "policy approved K3F9 at noon."),
        ("denied", ["bob"], "on the replica", 'bob denied K3F9 at noon: "on the replica"'),
        ("expired", [], "", "Nobody answered K3F9 in time. It was closed at noon, and nothing was run."),
        ("withdrawn", [], "client left", "K3F9 was withdrawn at noon (client left). Nothing was run."),
        ("withdrawn", [], "", "K3F9 was withdrawn at noon. Nothing was run."),
    ],
)  # fmt: skip
def test_the_words_of_an_end(state: str, by: list[str], reason: str, line: str) -> None:
    """Who, what, when, why, in one line."""
    said = words.verdict("K3F9", state, by, reason, "noon", "https://gw.example/r/K3F9")
    assert said == f"{line}\n\nhttps://gw.example/r/K3F9\n"
    subject = words.verdict_subject("K3F9", state, "DELETE", "orders-prod")
    assert subject == f"[gatekeep] K3F9 {state}: DELETE on orders-prod"


def test_breaking_the_glass_is_said_loudly() -> None:
    """Who, where, why, until when, and that somebody has to look."""
    assert words.glass_subject("alice", "orders") == "[gatekeep] alice broke the glass on orders"
    text = words.glass("alice", "orders", "app_rw", HOSTILE, "noon")
    assert text.startswith("alice took leave for orders as app_rw without being asked.\n")
    assert text.count("\n") == 4


def test_times_are_those_of_the_reader() -> None:
    """Summer time and odd zones included."""
    assert words.moment(NOON, "UTC") == "09:52 UTC, 12 Nov 2026"
    assert words.moment(NOON, "Asia/Kolkata") == "15:22 IST, 12 Nov 2026"
    assert words.moment(NOON - 150 * 86_400_000_000, "Europe/Berlin") == "11:52 CEST, 15 Jun 2026"
