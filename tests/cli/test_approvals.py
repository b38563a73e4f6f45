"""`gatekeep approvals`: nobody approves what was not shown, and everybody is told what came of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from support.api_callers import AskingGateway
from support.approval_world import BOB, DELETE
from support.gateway_thread import Gatekeep
from support.hostile_terminal import HOSTILE, forbidden
from support.terminal import on_terminal

from gatekeep.cli.exits import Exit
from gatekeep.domain.approvals import ApprovalRequest, RequestState, VoteVerdict
from gatekeep.gate.approval_ports import Ballot
from gatekeep.web.approvals import OPERATIONS
from gatekeep.web.openapi import document

TABLE = "ID    LEFT  RISK      WHO    TARGET       ASKED TO RUN            MAY DECIDE"


def held(asking: AskingGateway, text: str = DELETE, **more: Any) -> ApprovalRequest:
    """A statement of alice's that waits."""
    return asking.wait(asking.world.held(text, **more))


def now(asking: AskingGateway, request: ApprovalRequest) -> ApprovalRequest:
    """The request as it stands."""
    found = asking.wait(asking.world.desk.request(request.id))
    assert found is not None
    return found


def code_file(asking: AskingGateway, code: str) -> str:
    """A file with this code."""
    file = asking.state / "code"
    file.touch(0o600)
    file.write_text(code + "\n")
    return str(file)


def test_what_waits_is_a_table_of_one_line_each(asking: AskingGateway) -> None:
    """Left, risk, who, where, what, and who may decide, as the design shows it."""
    request = held(asking)
    code, written = on_terminal(
        asking.state, "approvals", "ls", "--token-file", str(asking.token_file("bob")),
        "--color", "never", size=(120, 24),
    )  # fmt: skip
    assert code == 0
    assert written.splitlines() == [
        TABLE,
        f"{request.id}  15m   moderate  alice  orders-prod  {DELETE}  p-bob,p-carol,p-erin",
    ]


def test_in_a_pipe_a_record_is_a_line(asking: AskingGateway, as_: Gatekeep) -> None:
    """Whole, tab-separated, without a header, whatever is in the text; the deadline in UTC."""
    bad = [f"SELECT '{one[:300].decode('latin-1')}" for one in HOSTILE.values()]
    texts = ["SELECT 1", "DELETE\nFROM\tx\r\n; -- " + "y" * 5000, *bad]
    for text in texts:
        held(asking, text.replace("\0", "\1"))
    told = as_("bob", "approvals", "ls")
    lines = told.out.splitlines()
    assert told.code == 0
    assert len(lines) == len(texts)
    assert all(line.count("\t") == 6 for line in lines)
    assert "\x1b" not in told.out
    assert "y" * 5000 in told.out
    assert lines[0].split("\t")[1].startswith("2025-10-09T")
    assert lines[0].split("\t")[1].endswith("Z")


def test_json_is_what_the_document_says(asking: AskingGateway, as_: Gatekeep) -> None:
    """A list is a JSON list, one request an object, both by the schema of the API."""
    request = held(asking, "SELECT '\x1b[2J\u202e'")
    described = document(OPERATIONS)
    schema = {"$ref": "#/components/schemas/RequestShape", "components": described["components"]}
    validator = jsonschema_rs.validator_for(schema)
    told = as_("bob", "approvals", "ls", "-o", "json")
    (listed,) = json.loads(told.out)
    shown = json.loads(as_("bob", "approvals", "show", request.id, "-o", "json").out)
    for one in (listed, shown):
        validator.validate(one)
        assert (one["id"], one["text"]) == (request.id, request.subject.text)
    assert forbidden(told.out) == ""


def test_a_list_goes_through_all_pages(asking: AskingGateway, as_: Gatekeep) -> None:
    """As many as are wanted, also more than a page; decided ones when asked for."""
    ids = [held(asking, f"TRUNCATE t{number};").id for number in range(5)]
    digest = now(asking, held(asking, "TRUNCATE u;")).digest
    last = json.loads(as_("bob", "approvals", "ls", "-o", "json", "-n", "1").out)[0]["id"]
    assert as_("bob", "approvals", "deny", last, "--yes", "--digest", digest, "--reason", "no").code == 0
    told = as_("bob", "approvals", "ls", "--search", "truncate")
    assert [line.split("\t")[0] for line in told.out.splitlines()] == ids[::-1]
    told = as_("bob", "approvals", "ls", "--status", "all", "--target", "orders-prod", "-n", "2")
    assert [line.split("\t")[:2] for line in told.out.splitlines()] == [
        [last, "denied"], [ids[4], "pending"],
    ]  # fmt: skip
    assert as_("bob", "approvals", "ls", "--principal", "dan").out == ""


def test_a_request_is_shown_whole(asking: AskingGateway, as_: Gatekeep) -> None:
    """The text, the first digits of its digest, facts, rule, reason, who may decide."""
    request = held(asking, "DELETE\n  FROM customers;", tags=frozenset({"destructive"}))
    told = as_("bob", "approvals", "show", request.id.lower())
    assert told.out.splitlines() == [
        f"{request.id}  ◆ waiting",
        f"alice on orders-prod (account app_rw, no open transaction), digest {request.digest[:12]}",
        "    DELETE",
        "      FROM customers;",
        "no WHERE, destructive · moderate risk · asked by rule prod-writes-need-dba",
        "the rule says: writes need a dba",
        "alice says: ticket OPS-412",
        "it takes one of dba; may decide: p-bob, p-carol, p-erin",
        "open for 15m",
        "session S-8QZ4",
    ]


def test_an_approval_on_a_terminal(asking: AskingGateway) -> None:
    """The whole command first, then the question, then the code; and what came of it."""
    request = held(asking, risk="high", sight={"rows_estimate": 1_204_331, "verb": "DELETE"})
    asking.soon(lambda: None)
    code, written = on_terminal(
        asking.state, "approvals", "approve", request.id, "--reason", "agreed in OPS-412",
        "--token-file", str(asking.token_file("bob")),
        keys=(
            ("[y/N]", b"y\n"),
            ("code from your authenticator: ", asking.world.code("bob").encode() + b"\n"),
        ),
        size=(120, 24),
    )  # fmt: skip
    assert code == 0, written
    assert written.splitlines()[:4] == [
        f"alice on orders-prod (account app_rw, no open transaction), digest {request.digest[:12]}",
        "    DELETE FROM customers;",
        "about 1,204,331 rows, no WHERE · high risk · asked by rule prod-writes-need-dba",
        "the rule says: writes need a dba",
    ]
    assert "Approve and run once? [y/N] " in written, written
    assert asking.world.code("bob") not in written
    assert f"● {request.id} approved; DELETE 38112 in 12 ms" in written
    assert "next: gatekeep sessions show S-8QZ4" in written
    kept = now(asking, request)
    assert (kept.state, kept.votes[0].reason, kept.votes[0].mfa, kept.votes[0].via) == (
        RequestState.APPROVED, "agreed in OPS-412", True, "cli",
    )  # fmt: skip


@pytest.mark.parametrize("answer", [b"\n", b"n\n", b"\x04"])
def test_without_a_clear_yes_nothing_is_decided(asking: AskingGateway, answer: bytes) -> None:
    """Enter alone, no, and the end of input are no."""
    request = held(asking)
    code, written = on_terminal(
        asking.state, "approvals", "approve", request.id,
        "--token-file", str(asking.token_file("bob")), keys=(("[y/N]", answer),),
    )  # fmt: skip
    assert code in (Exit.FAILED, Exit.INTERRUPTED), written
    assert now(asking, request).votes == ()


def test_a_denial_on_a_terminal_asks_why(asking: AskingGateway) -> None:
    """The reason is asked for; the asker will read it."""
    request = held(asking)
    code, written = on_terminal(
        asking.state, "approvals", "deny", request.id,
        "--token-file", str(asking.token_file("bob")), keys=(("Deny: why? ", b"use the replica\n"),),
    )  # fmt: skip
    assert code == 0, written
    assert "DELETE FROM customers;" in written
    assert now(asking, request).decision_reason == "use the replica"


@pytest.mark.parametrize("verb", ["approve", "deny"])
@pytest.mark.parametrize(
    "options", [(), ("--yes",), ("--yes", "--digest", "9c41"), ("--digest", "0" * 12)]
)
def test_a_script_cannot_decide_what_it_has_not_read(
    asking: AskingGateway, as_: Gatekeep, verb: str, options: tuple[str, ...]
) -> None:
    """Without --yes there is nobody to ask, and --yes takes the digest; exit 2 names the flag."""
    request = held(asking)
    told = as_("bob", "approvals", verb, request.id, "--reason", "x", *options)
    assert told.code == Exit.USAGE
    assert "--digest" in told.err or "digest" in told.err
    assert now(asking, request).votes == ()


@pytest.mark.parametrize("verb", ["approve", "deny"])
def test_another_digest_decides_nothing(
    asking: AskingGateway, as_: Gatekeep, verb: str
) -> None:
    """What was read is not what is asked: exit 6, and nothing changed."""
    request, other = held(asking), held(asking, "DELETE FROM orders;")
    told = as_(
        "bob", "approvals", verb, request.id, "--yes", "--digest", other.digest, "--reason", "x"
    )
    assert told.code == Exit.DECIDED_OTHERWISE
    assert "is not the digest of" in told.err
    assert now(asking, request).votes == ()


def test_a_script_decides_what_it_has_read(asking: AskingGateway, as_: Gatekeep) -> None:
    """With the first 12 digits; the whole text still goes to stderr, stdout has the answer."""
    request = held(asking)
    told = as_(
        "bob", "approvals", "approve", request.id, "--yes", "--digest", request.digest[:12],
        "-o", "json",
    )  # fmt: skip
    assert told.code == 0
    assert "    DELETE FROM customers;" in told.err
    assert json.loads(told.out)["request"]["state"] == "approved"


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("alice", Exit.NOT_ALLOWED, "You asked for"),
        ("alice-dba", Exit.NOT_ALLOWED, "You asked for"),
        ("dan", Exit.NOT_FOUND, "no request"),
        ("sam", Exit.NOT_ALLOWED, "asks for another group"),
    ],
)
def test_who_may_not_decide_is_told_who_may(
    asking: AskingGateway, as_: Gatekeep, name: str, code: Exit, words: str
) -> None:
    """Exit 3 with the names of those who can; 5 for what one may not even see."""
    request = held(asking)
    told = as_(name, "approvals", "approve", request.id, "--yes", "--digest", request.digest)
    assert told.code == code
    assert words in told.err
    if code == Exit.NOT_ALLOWED:
        assert "p-bob, p-carol or p-erin" in told.err


def test_who_comes_late_is_told_who_was_first(asking: AskingGateway, as_: Gatekeep) -> None:
    """Exit 6, and nothing changed; also when it was decided between looking and voting."""
    request = held(asking)
    given = ("--yes", "--digest", request.digest)
    assert as_("bob", "approvals", "deny", request.id, *given, "--reason", "no").code == 0
    told = as_("carol", "approvals", "approve", request.id, *given)
    assert told.code == Exit.DECIDED_OTHERWISE
    assert "bob denied it at" in told.err
    assert "nothing changed" in told.err


def test_high_risk_in_a_script(asking: AskingGateway, as_: Gatekeep) -> None:
    """The code comes from a file, never from the command line; a wrong one is exit 3."""
    request = held(asking, risk="high")
    given = ("approvals", "approve", request.id, "--yes", "--digest", request.digest)
    told = as_("bob", *given)
    assert told.code == Exit.USAGE
    assert "--code-file" in told.err
    told = as_("bob", *given, "--code-file", code_file(asking, "000000"))
    assert told.code == Exit.NOT_ALLOWED
    assert "that is not the code of this moment" in told.err
    told = as_("bob", *given, "--code-file", code_file(asking, asking.world.code("bob")))
    assert told.code == 0


def test_a_denial_in_a_script_says_why(asking: AskingGateway, as_: Gatekeep) -> None:
    """Without --reason it is exit 2, naming the flag."""
    request = held(asking)
    told = as_("bob", "approvals", "deny", request.id, "--yes", "--digest", request.digest)
    assert told.code == Exit.USAGE
    assert "--reason" in told.err


def test_an_approval_may_reach_further(asking: AskingGateway, as_: Gatekeep) -> None:
    """A template for half an hour, with a value freed: a grant that is listed, shown and revoked."""
    request = held(asking)
    told = as_(
        "bob", "approvals", "approve", request.id, "--yes", "--digest", request.digest,
        "--scope", "template", "--for", "30m", "--free", "2",
    )  # fmt: skip
    assert told.code == 0
    assert "gatekeep grants ls" in told.err
    fields = as_("alice", "grants", "ls").out.rstrip("\n").split("\t")
    assert fields[2:7] == ["template", "alice", "orders-prod", "app_rw", "p-bob"]
    shown = as_("alice", "show", fields[0]).out
    assert f"request: {request.id}" in shown
    assert "left: 30m" in shown
    assert as_("dan", "show", fields[0]).code == Exit.NOT_FOUND
    told = as_("bob", "grants", "revoke", fields[0][:6])
    assert "is revoked" in told.err
    assert as_("alice", "grants", "ls").out == ""
    assert as_("alice", "grants", "ls", "--all").out.startswith(fields[0])


def test_two_votes_where_two_are_asked(asking: AskingGateway, as_: Gatekeep) -> None:
    """The first is told that it counts and what is missing."""
    request = held(asking, approvers=(("dba:2",),))
    given = ("approvals", "approve", request.id, "--yes", "--digest", request.digest)
    first = as_("bob", *given)
    assert (first.code, "it takes 2 of dba" in first.err) == (0, True)
    assert as_("bob", *given).code == Exit.DECIDED_OTHERWISE
    assert f"● {request.id} approved" in as_("carol", *given).err
    shown = as_("alice", "show", request.id).out
    assert "bob approved at" in shown
    assert "carol approved it at" in shown


@pytest.mark.parametrize(
    ("options", "question"),
    [
        ((), "Vote to approve: run once? [y/N] "),
        (
            ("--scope", "template", "--for", "30m", "--free", "2"),
            "Vote to approve: run, and this template for 30m, with any value in place of number 2? [y/N] ",
        ),
    ],
)
def test_the_question_says_that_one_vote_is_not_enough(
    asking: AskingGateway, options: tuple[str, ...], question: str
) -> None:
    """And how far it would reach once another agrees as well."""
    request = held(asking, approvers=(("dba:2",),))
    code, written = on_terminal(
        asking.state, "approvals", "approve", request.id, *options,
        "--token-file", str(asking.token_file("bob")), keys=(("[y/N]", b"n\n"),), size=(160, 24),
    )  # fmt: skip
    assert code == Exit.FAILED
    assert question in written
    assert now(asking, request).votes == ()


def test_hostile_text_drives_no_terminal(asking: AskingGateway) -> None:
    """Lists, the whole of it, and the question: only text reaches the terminal."""
    bad = "".join(one[:300].decode("latin-1") for one in HOSTILE.values()).replace("\0", "\1")
    request = held(
        asking, f"SELECT '{bad}\u202e\u200b\ufe0f'; -- " + " " * 400 + "\n" * 90 + "DROP TABLE x",
        tags=frozenset({bad}), unbound=(bad,),
    )  # fmt: skip
    token = ("--token-file", str(asking.token_file("bob")))
    for arguments in (("ls",), ("show", request.id), ("show", request.id, "-o", "json")):
        code, written = on_terminal(asking.state, "approvals", *arguments, *token)
        assert code == 0
        assert forbidden(written) == ""
    code, written = on_terminal(
        asking.state, "approvals", "approve", request.id, *token, keys=(("[y/N]", b"n\n"),)
    )
    assert forbidden(written) == ""
    assert "[89 empty lines]" in written
    assert "    DROP TABLE x" in written


def test_reasons_of_ten_kilobytes_are_printable_and_cut(
    asking: AskingGateway, as_: Gatekeep
) -> None:
    """The asker's, the voter's and the decision's; the document has them whole."""
    bad = "\x1b]52;c;aGk=\x07\u202e\u200b\r\n" + "why " * 2500
    request = held(asking)
    wish = replace(asking.world.wish("TRUNCATE x;"), reason=bad)
    asked = asking.wait(
        asking.world.parts.desk.ask(wish, lambda _approval: True, asking.world.grant_for)
    )
    ballot = Ballot(VoteVerdict.DENY, request.digest, "web", reason=bad)
    assert asking.wait(asking.world.desk.cast(request.id, BOB, ballot)).counted
    for one in (request, asked):
        shown = as_("bob", "show", one.id)
        assert shown.code == 0
        assert "\\x1b]52;c;aGk=\\x07\\u202e" in shown.out
        assert forbidden(shown.out) == ""
        assert max(map(len, shown.out.splitlines())) < 1200
    assert bad in json.loads(as_("bob", "show", request.id, "-o", "json").out)["decision_reason"]


@pytest.mark.parametrize("wrong", ["", "../x", "K3F9/votes", "é", "x" * 40])
def test_what_no_request_is_called_is_not_asked_for(
    asking: AskingGateway, as_: Gatekeep, wrong: str
) -> None:
    """Exit 5 without a call."""
    assert as_("bob", "approvals", "show", wrong).code == Exit.NOT_FOUND


def test_where_nobody_can_be_asked(gateway: Any, gatekeep: Gatekeep, tmp_path: Path) -> None:
    """A gateway without approvals says so."""
    told = gatekeep("approvals", "ls")
    assert told.code == Exit.NOT_FOUND
    assert "approvals are not set up here" in told.err
