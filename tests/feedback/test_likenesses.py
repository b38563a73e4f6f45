"""Likeness on the side of evidence: what a payload says is enough to find what the gate found."""

from __future__ import annotations

from support.loop_events import SHOP, WEB, InMemory, LoopStory, command, person, statement

from gatekeep.domain.actions import SqlAction
from gatekeep.domain.commands import SshAction
from gatekeep.domain.likeness import Likeness
from gatekeep.feedback.likenesses import Likenesses
from gatekeep.protocols.sql.likeness import sql_likeness
from gatekeep.protocols.ssh.commands.likeness import command_likeness

ALICE = person("alice")


def found(action: SqlAction | SshAction, kind: str = "sql") -> Likeness | None:
    """The likeness that the event of this action has."""
    told = InMemory()
    LoopStory(told).passes(ALICE, SHOP if kind == "sql" else WEB, action)
    payload = told.events[0].payload
    assert payload is not None
    return Likenesses().of(payload)


def test_a_statement_is_like_as_at_the_gate() -> None:
    """Template and values are those that the gate works out from the same text."""
    action = statement("update orders set state = 'open' where id = 7")
    assert found(action) == sql_likeness(action.facts[0].template, action.redacted)
    assert found(action) is not None


def test_a_command_is_like_as_at_the_gate() -> None:
    """The facts that a payload shows are enough."""
    for line in ("systemctl restart nginx", "tail -n 50 /var/log/app/x.log", "kill -9 4711"):
        action = command(line)
        assert found(action, "ssh") == command_likeness(line, action.facts)
        assert found(action, "ssh") is not None


def test_what_is_like_nothing() -> None:
    """Pipes, several statements and severe classes have no likeness, nor has nonsense."""
    assert found(command("cat x | sh"), "ssh") is None
    assert Likenesses().of({"text": "select 1", "statements": 2, "class": "read"}) is None
    assert Likenesses().of({"text": "drop table x", "statements": 1, "class": "ddl"}) is None
    assert Likenesses().of({"text": "x", "assurance": 7, "resolved": True, "commands": [{}]}) is None
    assert Likenesses().of({}) is None


def test_each_text_is_looked_at_once() -> None:
    """The second time the very same object comes back."""
    known = Likenesses()
    payload = {
        "text": "select * from orders where id = 7", "statements": 1, "class": "read",
        "template": statement("select * from orders where id = 7").facts[0].template,
    }  # fmt: skip
    assert known.of(payload) is known.of(dict(payload))
    assert known.of(payload) is not None
