"""`gatekeep grants` and `gatekeep breakglass`."""

from __future__ import annotations

import json

from support.api_callers import AskingGateway
from support.gateway_thread import Gatekeep
from support.terminal import on_terminal

from gatekeep.cli.exits import Exit

BREAK = ("breakglass", "orders", "--account", "app", "--reason", "the site is down")


def code_file(asking: AskingGateway, code: str) -> str:
    """A file with this code."""
    file = asking.state / "code"
    file.touch(0o600)
    file.write_text(code + "\n")
    return str(file)


def test_the_glass_is_broken_and_looked_at(asking: AskingGateway, as_: Gatekeep) -> None:
    """Leave at once with a code; a review that somebody else closes, and that is shown."""
    file = code_file(asking, asking.world.code("alice"))
    told = as_("alice", *BREAK, "--for", "30m", "--code-file", file)
    assert told.code == 0, told.err
    assert "orders is open to you as app for 30m" in told.err
    fields = as_("alice", "grants", "ls").out.split("\t")
    assert fields[2:7] == ["access", "alice", "orders", "app", "break_glass"]
    shown = as_("alice", "show", fields[0]).out
    assert "kind: break_glass" in shown
    review = as_("sam", "approvals", "reviews").out.split("\t")
    assert review[1:4] == [fields[0], "alice", "orders"]
    assert as_("alice", "approvals", "review", review[0], "--finding", "ok").code == Exit.NOT_ALLOWED
    assert as_("sam", "approvals", "review", review[0], "--finding", " ").code == Exit.USAGE
    assert as_("sam", "approvals", "review", review[0], "--finding", "was needed").code == 0
    assert as_("sam", "approvals", "reviews").out == ""
    assert "finding: was needed" in as_("sam", "show", review[0]).out
    assert "was needed" in as_("sam", "approvals", "reviews", "--all").out


def test_the_glass_takes_a_code_a_reason_and_the_right(
    asking: AskingGateway, as_: Gatekeep
) -> None:
    """2 without any, 3 for a wrong one or for whom policy does not let."""
    assert as_("alice", *BREAK).code == Exit.USAGE
    told = as_("alice", *BREAK, "--code-file", code_file(asking, "000000"))
    assert told.code == Exit.NOT_ALLOWED
    empty = (*BREAK[:-1], " ")
    file = code_file(asking, asking.world.code("alice"))
    assert as_("alice", *empty, "--code-file", file).code == Exit.USAGE
    file = code_file(asking, asking.world.code("bob"))
    assert as_("bob", *BREAK, "--code-file", file).code == Exit.NOT_ALLOWED


def test_on_a_terminal_the_code_is_asked_for(asking: AskingGateway) -> None:
    """And never shown."""
    code = asking.world.code("alice")
    ended, written = on_terminal(
        asking.state, *BREAK, "--token-file", str(asking.token_file("alice")), "-o", "json",
        keys=(("code from your authenticator: ", code.encode() + b"\n"),),
    )  # fmt: skip
    assert ended == 0, written
    assert code not in written
    document = written[written.index("{") : written.rindex("}") + 1]
    assert json.loads(document)["kind"] == "break_glass"


def test_what_is_no_grant(asking: AskingGateway, as_: Gatekeep) -> None:
    """Unknown, malformed, or not unique: exit 5."""
    for _ in range(2):
        asking.world.clock.pass_s(31)
        file = code_file(asking, asking.world.code("alice"))
        assert as_("alice", *BREAK, "--code-file", file).code == 0
    for name in ("G-", "G-0000", "../x", ""):
        assert as_("alice", "grants", "revoke", name).code == Exit.NOT_FOUND
    ids = [line.split("\t")[0] for line in as_("alice", "grants", "ls").out.splitlines()]
    assert as_("alice", "grants", "revoke", ids[0].lower()).code == 0
    assert as_("dan", "grants", "revoke", ids[1]).code == Exit.NOT_FOUND
    assert [line.split("\t")[0] for line in as_("alice", "grants", "ls").out.splitlines()] == ids[1:]
