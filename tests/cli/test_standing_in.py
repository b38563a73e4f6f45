"""Delegations and duty on the command line."""

from __future__ import annotations

import pytest
from support.api_callers import AskingGateway
from support.gateway_thread import Gatekeep

from gatekeep.cli.exits import Exit


def test_a_delegation_is_made_seen_and_ended(asking: AskingGateway, as_: Gatekeep) -> None:
    """By either of the two; afterwards it is listed when asked for."""
    told = as_(
        "bob", "approvals", "delegate", "dan", "--for", "14d", "--group", "dba", "--reason", "away"
    )
    assert "● dan votes in your place" in told.err
    (line,) = as_("dan", "approvals", "delegations").out.splitlines()
    fields = line.split("\t")
    assert (fields[1:4], fields[7]) == (["bob", "dan", "dba"], "away")
    assert as_("carol", "approvals", "delegations").out == ""
    assert as_("carol", "approvals", "undelegate", fields[0]).code == Exit.NOT_FOUND
    assert as_("dan", "approvals", "undelegate", fields[0]).code == 0
    assert as_("bob", "approvals", "delegations").out == ""
    assert as_("bob", "approvals", "delegations", "--all").out.startswith(fields[0])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("delegate", "dan"), Exit.USAGE),
        (("delegate", "dan", "--for", "x"), Exit.USAGE),
        (("delegate", "dan", "--for", "91d"), Exit.USAGE),
        (("delegate", "bob", "--for", "1h"), Exit.NOT_ALLOWED),
        (("delegate", "nobody", "--for", "1h"), Exit.NOT_FOUND),
        (("undelegate", "../x"), Exit.NOT_FOUND),
        (("review", "R-0", "--finding", "x"), Exit.NOT_FOUND),
    ],
)
def test_what_cannot_be_done_has_its_code(
    asking: AskingGateway, as_: Gatekeep, arguments: tuple[str, ...], code: Exit
) -> None:
    """Wrong usage, no right, no such thing."""
    assert as_("bob", "approvals", *arguments).code == code


def test_who_is_on_call(asking: AskingGateway, as_: Gatekeep) -> None:
    """By group, with who says so and until when."""
    fields = as_("dan", "approvals", "oncall").out.rstrip("\n").split("\t")
    assert fields[:3] == ["dba", "p-bob,p-carol", "rota"]
