"""Stories of replay: a recorded request is the very question that it was, or it is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import action, facts, principal, session, target
from support.clock import MovedClock
from support.policies import MEMBERS

from gatekeep.domain.actions import SqlClass, SqlFacts, TransactionVerb, WhereClause
from gatekeep.domain.commands import Assurance, CommandFacts, SshAction, TunnelFacts
from gatekeep.domain.targets import TargetKind
from gatekeep.gate.policy_desk import PolicyDeskOver
from gatekeep.policy.command_request import command_questions, command_request_json
from gatekeep.policy.engine import Engine
from gatekeep.policy.loading import load
from gatekeep.policy.replay import NotReplayable, command_facts_of, questions_of, replayed
from gatekeep.policy.request import (
    Place,
    moment,
    place_question,
    place_request_json,
    sql_questions,
    sql_request_json,
)

PRESETS = Path(__file__).parents[2] / "config" / "policy" / "presets"
ENGINES = [
    Engine(load({one.name: one.read_text()}), MEMBERS) for one in sorted(PRESETS.glob("*.cedar"))
]
ALICE = replace(principal("alice", "engineers", "sre"), owner="bob")
PROD = target(labels=frozenset({"pii", "role=db"}), owner="dave")
WEB = target("web-1", kind=TargetKind.SSH, environment="staging")
NAMES = st.frozensets(
    st.sampled_from(["public.a", "public.pay", "rm", "-rf", "/etc/shadow", "privilege", "reads_only"]),
    max_size=3,
)
STATEMENTS = st.builds(
    SqlFacts,
    st.sampled_from(SqlClass),
    st.sampled_from(["", "SELECT", "DROP TABLE", "UPDATE"]),
    st.just("text"),
    st.just("template"),
    tables_read=NAMES,
    tables_written=NAMES,
    columns=NAMES,
    functions=NAMES,
    tables_complete=st.booleans(),
    functions_complete=st.booleans(),
    columns_complete=st.booleans(),
    where=st.sampled_from(WhereClause),
    tags=NAMES,
    settings=NAMES,
    roles=NAMES,
    copy_target=st.sampled_from(["", "stdin", "program ***"]),
    transaction=st.sampled_from(TransactionVerb),
)
COMMANDS = st.one_of(
    st.builds(
        CommandFacts,
        st.sampled_from(["ssh.exec", "ssh.line", "ssh.opaque", "sftp.write", "agent.forward"]),
        st.sampled_from(["", "rm", "systemctl"]),
        NAMES.map(lambda names: tuple(sorted(names)) * 2),
        NAMES,
        NAMES,
        NAMES,
        st.booleans(),
    ),
    st.builds(
        TunnelFacts,
        st.sampled_from(["tunnel.open", "tunnel.listen"]),
        st.sampled_from(["db", "/run/x"]),
        st.integers(0, 65535),
        st.sampled_from(["", "10.0.0.1", "fe80::1"]),
        st.sampled_from(["gateway", "target"]),
        NAMES,
    ),
)
TIMES = st.none() | st.integers(0, 30_000_000).map(moment)
SOURCES = st.sampled_from(["", "10.0.0.1:5000", "local socket"])


def read(request: bytes) -> dict[str, Any]:
    """A request as it comes out of an event."""
    found: dict[str, Any] = orjson.loads(request)
    return found


@given(st.lists(STATEMENTS, min_size=1, max_size=3), TIMES, SOURCES, NAMES,
       st.sampled_from(["simple", "extended", "function_call"]))  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_a_recorded_statement_is_the_question_that_it_was(
    known: list[SqlFacts], now: Any, source: str, tags: frozenset[str], mode: str
) -> None:
    """Question for question, what is not known with it; so every preset decides as it did."""
    place = Place(ALICE, PROD, "app_rw", "shop", source)
    asked = sql_questions(place, known, mode, now, tags)
    again = replayed(read(sql_request_json(place, known, mode, now, tags)))
    assert list(again.questions) == asked
    for engine in ENGINES:
        before = engine.decide(engine.standing(ALICE, PROD), asked)
        at = engine.standing(again.principal, again.target)
        assert engine.decide(at, again.questions) == before


@given(st.lists(COMMANDS, min_size=1, max_size=3), TIMES, SOURCES, NAMES, st.booleans(),
       st.sampled_from(Assurance), st.sampled_from(["exec", "line", "sftp"]))  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_a_recorded_command_is_the_question_that_it_was(  # noqa: PLR0917 - what is drawn
    known: list[Any], now: Any, source: str, tags: frozenset[str], resolved: bool,
    assurance: Assurance, mode: str,
) -> None:  # fmt: skip
    """The same for commands, file operations and tunnels."""
    place = Place(ALICE, WEB, "deploy", "", source)
    did = SshAction(mode, "…", tuple(known), assurance=assurance, resolved=resolved, tags=tags)
    asked = command_questions(place, did, now)
    again = replayed(read(command_request_json(place, did, now)))
    assert list(again.questions) == asked
    for engine in ENGINES:
        before = engine.decide(engine.standing(ALICE, WEB), asked)
        at = engine.standing(again.principal, again.target)
        assert engine.decide(at, again.questions) == before


def test_what_was_judged_as_approved_is_asked_as_before_that() -> None:
    """The approval in a record is no part of the question."""
    desk = PolicyDeskOver(load({"a": '@id("x") permit (principal, action, resource);'}), MEMBERS, MovedClock())
    plain = desk.judge(session(), action())
    assert questions_of(read(plain.request_json))
    recorded = read(plain.request_json) | {"approval": {"kind": "vote", "groups": ["dba"]}}
    assert questions_of(recorded) == questions_of(read(plain.request_json))


def test_sessions_and_the_gateway_itself_are_asked_about_too() -> None:
    """With a target, and without."""
    place = Place(ALICE, PROD, "app_rw", "shop", "10.0.0.1")
    opening = read(place_request_json("session.open", place, None))
    assert questions_of(opening) == [place_question("session.open", place, None)]
    alone = Place(ALICE, None)
    again = replayed(read(place_request_json("audit.read", alone, None)))
    assert (again.target, again.questions) == (None, (place_question("audit.read", alone, None),))


def test_the_facts_of_commands_are_there_for_their_likeness() -> None:
    """What a record of statements does not have."""
    place = Place(ALICE, WEB, "deploy")
    ls = CommandFacts("ssh.exec", "ls", ("-l", "ls"), tags=frozenset({"reads_only"}))
    assert command_facts_of(read(command_request_json(place, SshAction("exec", "ls -l", (ls,)), None))) == (ls,)
    assert command_facts_of(read(sql_request_json(place, [facts()], "simple", None))) == ()


def test_masked_words_are_not_guessed() -> None:
    """A secret that was not kept may have been the word that a rule looks for."""
    known = CommandFacts("ssh.exec", "mysql", ("mysql", "-psecret"))
    did = SshAction("exec", "mysql -psecret", (known,), redacted="mysql -p***")
    shown = read(command_request_json(Place(ALICE, WEB, "deploy"), did, None))
    for ask in (questions_of, command_facts_of):
        with pytest.raises(NotReplayable, match="secrets"):
            ask(shown)


STATEMENT = read(sql_request_json(Place(ALICE, PROD, "a", "b"), [facts()], "simple", moment(5)))
COMMAND = read(
    command_request_json(
        Place(ALICE, WEB, "a"), SshAction("exec", "ls", (CommandFacts("ssh.exec", "ls"),)), None
    )
)


@pytest.mark.parametrize("request_", [STATEMENT, COMMAND])
@pytest.mark.parametrize("broken", [None, 7, "x", [], {}, [None], [{}], {"name": 5}])
def test_what_is_missing_is_refused(request_: dict[str, Any], broken: object) -> None:
    """Each part of it, taken away or of another form; any word may be a name, and a time is no must."""
    for name, was in request_.items():
        if name != "time":
            with pytest.raises(NotReplayable):
                replayed({key: value for key, value in request_.items() if key != name})
        if (isinstance(was, str) and broken == "x") or (name == "time" and broken is None):
            continue
        with pytest.raises(NotReplayable):
            replayed(request_ | {name: broken})


def test_an_empty_record_is_no_request() -> None:
    """A judgement that failed leaves one."""
    with pytest.raises(NotReplayable):
        replayed({})


def test_a_statement_of_another_version_is_refused() -> None:
    """A class, an action or a word for WHERE that is not known here."""
    for part in ({"action": "sql.merge"}, {"where": "maybe"}, {"tables_complete": 1}, {"verb": 3}):
        (statement,) = STATEMENT["statements"]
        with pytest.raises(NotReplayable):
            replayed(STATEMENT | {"statements": [statement | part]})
