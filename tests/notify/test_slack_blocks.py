"""What a message shows: all of a short command and a button, or a part of it and none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.slack_block_kit import faults_of, texts_of
from support.slack_samples import KNOWN, NOW_US, ended, sample

from gatekeep.domain.approvals import RequestKind, RequestState, Scope, Vote, VoteVerdict
from gatekeep.notify.slack_blocks import Known, Message, approvable, message_of

HOSTILE = (
    "```*bold*``` <!channel> <@U000000001> <https://evil.example|ok> &lt; :tada: @here"
    "\x1b]0;owned\x07\u202e\u200b\n" + "~" * 10
)


def buttons(message: Message) -> list[str]:
    """The words on the buttons."""
    return [
        one["text"]["text"]
        for block in message.blocks
        if block["type"] == "actions"
        for one in block["elements"]
    ]


def command(message: Message) -> str:
    """What stands in the box of the command; empty where there is none."""
    return "".join(
        part["text"]
        for block in message.blocks
        if block["type"] == "rich_text"
        for element in block["elements"]
        if element["type"] == "rich_text_preformatted"
        for part in element["elements"]
    )


def fields(message: Message) -> dict[str, str]:
    """The facts by name."""
    (section,) = (one for one in message.blocks if one["type"] == "section")
    return dict(one["text"].split(": ", 1) for one in section["fields"])


def test_a_message_reads_as_designed() -> None:
    """Header, reason, command, facts, time, buttons, in this order and in these words."""
    message = message_of(sample(risk="high"), KNOWN)
    assert [block["type"] for block in message.blocks] == [
        "header", "rich_text", "rich_text", "section", "rich_text", "actions",
    ]  # fmt: skip
    assert message.blocks[0]["text"]["text"] == "alice asks to run DELETE on orders-prod"
    assert texts_of(message.blocks[1]) == ["alice says:", "ticket OPS-412"]
    assert command(message) == "DELETE FROM customers;"
    assert fields(message) == {
        "Risk": "high: no WHERE, destructive",
        "Rows": "about 1,204,331 rows of 1,204,331, no index",
        "Locks": "takes ROW EXCLUSIVE on public.customers",
        "Before": "3 asked, 1 approved",
        "Why asked": "prod-writes-need-dba: writes need a dba",
        "Not held fast": "the rows that it meets when it runs",
        "Votes": "it takes one of dba",
        "May decide": "bob or carol",
    }
    (line,) = message.blocks[4]["elements"]
    assert line["elements"][1] == {
        "type": "date", "timestamp": NOW_US // 1_000_000 + 900, "format": "{time}",
        "fallback": "02:28 UTC",
    }  # fmt: skip
    assert texts_of(message.blocks[4]) == ["open until ", " · K3F9 · S-8QZ4 · app_rw from 10.1.4.7"]
    assert buttons(message) == ["Approve and run once", "Deny…", "Open"]
    assert faults_of(list(message.blocks)) == []


def test_a_sample_says_of_which_rule_it_is_one() -> None:
    """Among the facts; of what is none nothing is said."""
    told = fields(message_of(sample(facts={"sample": "adopted-1"}), KNOWN))
    assert told["Sample"] == (
        "adopted rule adopted-1 would let this pass; the answer says whether it should"
    )


def test_a_lock_screen_shows_no_command() -> None:
    """Who, what kind, where, how risky, how long; the text of the command never."""
    message = message_of(sample("DELETE FROM salaries WHERE name = 'carol';", risk="high"), KNOWN)
    assert message.text == "alice asks to run DELETE on orders-prod, high risk, K3F9, 15 min"
    over = message_of(ended(RequestState.DENIED, why="salaries!"), KNOWN)
    assert over.text == "alice asks to run DELETE on orders-prod: denied, K3F9"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x" * 2500, True),
        ("x" * 2501, False),
        ("\n".join(["x"] * 40), True),
        ("\n".join(["x"] * 41), False),
        ("x\n" * 40, False),
        ("\u202e" * 500, False),
        ("\u043e" * 400, False),
    ],
)
def test_what_cannot_be_shown_whole_cannot_be_approved(text: str, shown: bool) -> None:
    """2,500 characters, 40 lines, and as it is shown not much more."""
    request = sample(text)
    message = message_of(request, KNOWN)
    assert approvable(request, "full") is shown
    assert ("Approve and run once" in buttons(message)) is shown
    assert {"Deny…", "Open"} <= set(buttons(message))
    assert faults_of(list(message.blocks)) == []


def test_a_long_command_shows_its_beginning_and_says_so() -> None:
    """Fifteen lines of 212, and where the rest is."""
    text = "\n".join(f"line {number}" for number in range(1, 213))
    message = message_of(sample(text), KNOWN)
    assert command(message).split("\n") == [f"line {number}" for number in range(1, 16)]
    assert "15 of 212 lines shown; approve in the console" in texts_of(list(message.blocks))


def test_a_secret_takes_the_button_away() -> None:
    """Nobody approves what he has not seen."""
    message = message_of(sample("ALTER ROLE app PASSWORD '***'", redacted=True), KNOWN)
    assert buttons(message) == ["Deny…", "Open"]
    assert "Secrets in it are hidden; approve in the console" in texts_of(list(message.blocks))


def test_a_target_may_keep_its_literals_out_of_slack() -> None:
    """Then the form of the statement is shown, and it is approved elsewhere."""
    request = sample(
        "DELETE FROM t WHERE email = 'carol@example.com'", template="DELETE FROM t WHERE email = $1:text"
    )
    message = message_of(request, Known(NOW_US, "redacted", "", "K3F9.no", KNOWN.link))
    assert command(message) == "DELETE FROM t WHERE email = $1:text"
    assert "carol@example.com" not in str(message)
    assert buttons(message) == ["Deny…", "Open"]
    exact = message_of(sample("rm -rf /srv", template="exact:77"), Known(NOW_US, "redacted"))
    assert command(exact) == ""
    assert "/srv" not in str(exact)


def test_letters_that_pass_for_others_are_a_risk() -> None:
    """They are tagged, where they stand and among the marks."""
    message = message_of(sample("DELETE FROM \u043erders"), KNOWN)
    assert command(message) == "DELETE FROM \u043e⟨U+043E⟩rders"
    assert fields(message)["Risk"] == "moderate: no WHERE, confusable, destructive"


def test_what_takes_a_security_key_is_only_shown() -> None:
    """No button but the one that opens the page."""
    message = message_of(sample(risk="critical"), KNOWN)
    assert buttons(message) == ["Open"]


def test_nothing_that_people_wrote_is_markup() -> None:
    """It cannot leave its block, mention anybody, link anywhere or be an emoji."""
    request = sample(
        HOSTILE, words=HOSTILE, verb=HOSTILE, rule=HOSTILE, reason=HOSTILE, account=HOSTILE,
        source=HOSTILE, session_code="S-8QZ4", tags=frozenset({HOSTILE}), unbound=(HOSTILE,),
        sight={"no_estimate": HOSTILE, "table": HOSTILE},
    )  # fmt: skip
    message = message_of(request, KNOWN)
    assert faults_of(list(message.blocks)) == []
    kinds = _kinds(list(message.blocks))
    assert kinds <= {
        "header", "plain_text", "rich_text", "rich_text_section", "rich_text_quote",
        "rich_text_preformatted", "text", "date", "section", "actions", "button",
    }  # fmt: skip
    assert not any(one.get("emoji") for one in _every(list(message.blocks)) if one.get("type") == "plain_text")
    assert "<" not in message.text
    for text in [message.text, *texts_of(list(message.blocks))]:
        assert not set(text) & {"\x1b", "\x07", "\u202e", "\u200b", "\r"}, text
    whole = command(message)
    assert whole.startswith("```*bold*``` <!channel> <@U000000001>")
    assert whole.endswith("⟨U+001B⟩]0;owned⟨U+0007 U+202E U+200B⟩\n~~~~~~~~~~")


def test_a_reason_of_ten_kilobytes_is_cut_and_printable() -> None:
    """ESC, BEL, bidirectional marks and all."""
    reason = "\x1b[31m\x07\u202e" + "why " * 2500
    message = message_of(sample(words=reason), KNOWN)
    quoted = texts_of(message.blocks[1])[1]
    assert quoted.startswith("\\x1b[31m\\x07\\u202ewhy why")
    assert len(quoted) <= 201
    over = message_of(ended(RequestState.DENIED, why=reason), KNOWN)
    assert faults_of(list(over.blocks)) == []
    assert len(texts_of(over.blocks[-1])[-1]) < 260


def test_no_reason_is_said_so() -> None:
    """An empty quote would say nothing."""
    assert texts_of(message_of(sample(words=" \n "), KNOWN).blocks[1])[1] == "no reason given"


@pytest.mark.parametrize(
    ("state", "by", "why", "line"),
    [
        (RequestState.APPROVED, "bob", "agreed in OPS-412", '● bob approved once, |, after 1 min 12 s: "agreed in OPS-412"'),
        (RequestState.DENIED, "carol", "no", '■ carol denied, |, after 1 min 12 s: "no"'),
        (RequestState.EXPIRED, "", "", "Nobody answered in time; closed, |, after 1 min 12 s"),
        (RequestState.WITHDRAWN, "alice", "", "Withdrawn by alice, |, after 1 min 12 s"),
        (RequestState.WITHDRAWN, "", "the gateway restarted", 'Withdrawn by gatekeep, |, after 1 min 12 s: "the gateway restarted"'),
    ],
)  # fmt: skip
def test_after_the_end_the_buttons_are_gone_and_the_last_line_says_how(
    state: RequestState, by: str, why: str, line: str
) -> None:
    """The rest stays as it was, for who reads it later."""
    message = message_of(ended(state, by, why), KNOWN)
    assert buttons(message) == []
    assert "|".join(texts_of(message.blocks[-1])) == line
    assert command(message) == "DELETE FROM customers;"
    assert "open until " not in texts_of(list(message.blocks))
    assert faults_of(list(message.blocks)) == []


@pytest.mark.parametrize(("left_s", "said"), [(301, False), (300, True), (59, True), (0, True)])
def test_the_last_minutes_are_counted(left_s: int, said: bool) -> None:
    """A time left that stands still would be wrong."""
    known = Known(NOW_US + (900 - left_s) * 1_000_000, link=KNOWN.link)
    line = "".join(texts_of(message_of(sample(), known).blocks[4]))
    assert (" left · K3F9" in line) is said


def test_leave_ahead_of_time_is_worded_as_such() -> None:
    """The button says what a click would do."""
    request = sample(
        "", kind=RequestKind.ACCESS, session="", session_code="", scope=Scope.ACCESS, grant_s=7200
    )
    message = message_of(request, KNOWN)
    assert message.blocks[0]["text"]["text"] == "alice asks for access to orders-prod"
    assert buttons(message)[0] == "Approve and give access for 2 h"


@pytest.mark.parametrize(
    ("approvers", "voted", "extra", "button"),
    [
        ((("dba",),), (), 0, "Approve and run once"),
        ((("dba:2",),), (), 0, "Vote to approve: run once"),
        ((("dba:2",),), ("dba",), 0, "Approve and run once"),
        ((("dba",), ("lead",)), (), 0, "Approve and run once"),
        ((("dba", "security"),), (), 0, "Vote to approve: run once"),
        ((("dba", "security"),), ("dba",), 0, "Vote to approve: run once"),
        ((("dba:2",), ("lead",)), (), 0, "Vote to approve: run once"),
        ((("dba",),), (), 1, "Vote to approve: run once"),
        ((("dba",),), ("dba",), 1, "Approve and run once"),
    ],
)
def test_a_button_is_a_vote_where_one_yes_is_not_enough(
    approvers: tuple[tuple[str, ...], ...], voted: tuple[str, ...], extra: int, button: str
) -> None:
    """Everybody sees the same one, so it promises only what is true of all who may click."""
    votes = tuple(
        Vote(f"{group}-1", f"{group}-1", VoteVerdict.APPROVE, "web", 0, groups=frozenset({group}))
        for group in voted
    )
    request = sample(approvers=approvers, votes=votes)
    why = replace(request.why, extra=extra, denier="bob" if extra else "")
    assert buttons(message_of(replace(request, why=why), KNOWN))[0] == button


@given(
    st.text(max_size=3000), st.text(max_size=300), st.text(max_size=100),
    st.sampled_from(["", "low", "moderate", "high", "critical"]), st.booleans(),
)  # fmt: skip
def test_slack_takes_every_message(
    text: str, reason: str, verb: str, risk: str, redacted: bool
) -> None:
    """Whatever people write: within all limits, and approved only where all of it is shown."""
    request = sample(text, words=reason, verb=verb, risk=risk, redacted=redacted)
    message = message_of(request, KNOWN)
    assert faults_of(list(message.blocks)) == []
    if "Approve and run once" in buttons(message):
        assert not redacted
        assert _bare(text) <= _bare(command(message))


def _bare(text: str) -> int:
    return sum(one.isascii() and one.isalnum() for one in text)


def _every(part: Any) -> list[dict[str, Any]]:
    if isinstance(part, dict):
        return [part, *(one for value in part.values() for one in _every(value))]
    return [one for value in part for one in _every(value)] if isinstance(part, list) else []


def _kinds(blocks: list[Any]) -> set[str]:
    return {str(one["type"]) for one in _every(blocks) if "type" in one}
