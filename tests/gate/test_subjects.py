"""What people are asked: the whole text, its facts, who may release it, and how far a yes may reach."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import builders
from support.sql_world import read

from gatekeep.domain.actions import (
    BoundValue,
    NameKind,
    Naming,
    SqlAction,
    SqlClass,
    WhereClause,
)
from gatekeep.domain.approvals import RequestKind
from gatekeep.domain.commands import Assurance, CommandFacts, SshAction, TunnelFacts
from gatekeep.domain.decisions import Decision, Verdict
from gatekeep.domain.identity import Principal
from gatekeep.domain.voting import released_by
from gatekeep.gate.subjects import (
    around_of,
    command_subject,
    exact_of,
    place_of,
    sql_subject,
    together,
    why_of,
)


def sql(text: str, *bound: BoundValue, **more: Any) -> SqlAction:
    """A statement, read as the gateway reads it."""
    return SqlAction("simple", text, read(text), text, bound)._replace(**more)


def ssh(text: str = "reboot", **more: Any) -> SshAction:
    """A command."""
    made = SshAction("exec", text, (CommandFacts("ssh.exec", text.split(maxsplit=1)[0]),), text)
    return replace(made, **more)


def asks(rule: str, *approvers: tuple[str, ...], risk: str = "") -> Decision:
    """A decision that asks."""
    return Decision(
        Verdict.ASK, rule, f"why of {rule}", "7f3a", approvers=approvers, risk=risk, title=f"title {rule}",
        owner="data",
    )  # fmt: skip


def test_where_it_is_asked() -> None:
    """Person and principal, who answers for a machine, target, account, database, address, session."""
    bot = Principal("bot", "bot", frozenset({"engineers"}), owner="p-olga")
    session = builders.session(principal=bot, source="10.1.4.7")
    place = place_of(session)
    assert (place.principal, place.person, place.owner) == ("bot", "bot", "p-olga")
    assert (place.target, place.account, place.database) == ("orders", "app_rw", "shop")
    assert (place.session, place.session_code) == (session.id, session.code)
    assert (place.source, place.groups) == ("10.1.4.7", bot.groups)


def test_why_it_is_asked() -> None:
    """The words of the first, the risk of the worst, and who may release all of it at once."""
    why = why_of([asks("a", ("dba",), risk="low"), asks("b", ("dba:2",), ("lead",), risk="critical")])
    assert (why.rule, why.reason, why.title, why.owner) == ("a", "why of a", "title a", "data")
    assert why.risk == "critical"
    assert why.approvers == (("dba:2",), ("dba", "lead"))


SETS = st.lists(
    st.lists(
        st.sampled_from(["dba", "dba:2", "security", "lead"]), min_size=1, max_size=2,
        unique_by=lambda group: group.partition(":")[0],
    ).map(tuple),
    min_size=1, max_size=2,
).map(tuple)  # fmt: skip


@given(st.lists(SETS, min_size=1, max_size=3))
def test_who_releases_all_releases_each(sets: list[tuple[tuple[str, ...], ...]]) -> None:
    """Whatever set out of the joined ones is full, one of each action's own is full with it."""
    joined = together(sets)
    assert joined
    for one in joined:
        for each in sets:
            assert any(_within(other, one) for other in each), (one, each)
        assert released_by([one], []) is None


def _within(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    held = {group.partition(":")[0]: int(group.partition(":")[2] or 1) for group in other}
    return all(
        held.get(group.partition(":")[0], 0) >= int(group.partition(":")[2] or 1) for group in one
    )


def test_a_statement_is_shown_whole() -> None:
    """All statements that would run, their values, and what they are about."""
    delete = sql("DELETE FROM orders WHERE id = $1 AND status = $2", BoundValue(23, "7", 1), BoundValue(25, None))
    copy = sql("UPDATE customers SET name = $1 WHERE id = 1", BoundValue(17, "", 9000, "ab" * 32))
    subject = sql_subject([delete, copy], "")
    assert subject.text.splitlines() == [
        "DELETE FROM orders WHERE id = $1 AND status = $2", "-- $1 = '7'", "-- $2 = NULL",
        "UPDATE customers SET name = $1 WHERE id = 1", f"-- $1 = 9000 bytes, SHA-256 {'ab' * 32}",
    ]  # fmt: skip
    assert (subject.kind, subject.verb, subject.statements) == (RequestKind.STATEMENT, "DELETE, UPDATE", 2)
    assert {"public.orders", "public.customers"} <= set(subject.facts["tables_written"])
    assert subject.facts["where"] == ["present", "present"]
    assert not subject.redacted


def test_a_value_cannot_look_like_another_line() -> None:
    """Whatever is bound: one line each, with newlines and quotes as they are escaped."""
    hostile = sql("SELECT $1::text", BoundValue(25, "x'\n-- $2 = 'harmless'\x1b[2J", 9))
    lines = sql_subject([hostile], "").text.splitlines()
    assert len(lines) == 2
    assert "\x1b" not in lines[1]


def test_a_redacted_text_says_that_it_is() -> None:
    """Secrets are replaced, and whoever decides is told."""
    secret = sql("ALTER ROLE a PASSWORD 'hunter2'", redacted="ALTER ROLE a PASSWORD '***'")
    subject = sql_subject([secret], "")
    assert subject.redacted
    assert "hunter2" not in subject.text


def test_what_no_approval_can_hold_fast_is_named() -> None:
    """Rows met at release, rows that COPY moves, code that nobody has read."""
    assert sql_subject([sql("DELETE FROM orders WHERE id = 1")], "").unbound == (
        "the rows that it meets when it runs",
    )
    assert "the rows that COPY moves" in sql_subject([sql("COPY orders FROM STDIN")], "").unbound
    assert "what the code that it calls does" in sql_subject([sql("DO $$ BEGIN END $$")], "").unbound


@pytest.mark.parametrize(
    ("text", "risk", "scopes"),
    [
        ("DELETE FROM orders WHERE id = 1", "", ["template", "session"]),
        ("DELETE FROM orders WHERE id = 1", "high", ["template"]),
        ("DELETE FROM orders WHERE id = 1", "critical", ["template"]),
        ("DELETE FROM orders", "", ["session"]),
        ("DELETE FROM orders WHERE true", "", ["session"]),
        ("SELECT id FROM orders WHERE id = 1", "", ["template", "session"]),
        ("INSERT INTO orders (id) VALUES (1)", "", ["session"]),
        ("SELECT evil() FROM orders WHERE id = 1", "", []),
        ("DROP TABLE orders", "", []), ("GRANT ALL ON orders TO a", "", []), ("SET ROLE a", "", []),
        ("DO $$ BEGIN END $$", "", []), ("COPY orders FROM STDIN", "", []), ("EXECUTE p(1)", "", []),
        ("DELETE FROM orders WHERE id = 1; DELETE FROM orders WHERE id = 2", "", ["session"]),
        ("DELETE FROM orders WHERE id = 1; DROP TABLE orders", "", []),
    ],
)  # fmt: skip
def test_only_what_is_understood_may_repeat(text: str, risk: str, scopes: list[str]) -> None:
    """A template: one read or write with a WHERE. A session: reads and writes of no high risk."""
    assert sql_subject([sql(text)], risk).facts["scopes"] == scopes


@pytest.mark.parametrize(
    ("action", "risk", "scopes"),
    [
        (ssh(), "", ["session"]), (ssh(), "high", []), (ssh(resolved=False), "", []),
        (ssh(facts=(CommandFacts("ssh.opaque"),)), "", []), (ssh(tags=frozenset({"opens_opaque"})), "", []),
        (ssh(facts=(CommandFacts("ssh.exec", "vim", tags=frozenset({"opens_opaque"})),)), "", []),
    ],
)  # fmt: skip
def test_a_command_that_hides_others_is_asked_each_time(
    action: SshAction, risk: str, scopes: list[str]
) -> None:
    """Leave for `bash` would be leave for anything."""
    assert command_subject(action, risk).facts["scopes"] == scopes


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        (ssh(), RequestKind.COMMAND),
        (ssh(mode="line"), RequestKind.LINE),
        (ssh(mode="shell", facts=(CommandFacts("ssh.shell"),)), RequestKind.SHELL),
        (ssh(mode="agent", facts=(CommandFacts("agent.forward"),)), RequestKind.SHELL),
        (ssh(mode="sftp", facts=(CommandFacts("sftp.write", paths=frozenset({"/a"})),)), RequestKind.FILE),
        (ssh(mode="scp", facts=(CommandFacts("sftp.read"),)), RequestKind.FILE),
        (ssh(mode="tunnel", facts=(TunnelFacts("tunnel.open", "db", 5432, "10.0.0.9"),)), RequestKind.TUNNEL),
        (ssh(mode="listen", facts=(TunnelFacts("tunnel.listen", "localhost", 80),)), RequestKind.TUNNEL),
        (ssh(mode="subsystem", facts=()), RequestKind.COMMAND),
    ],
)  # fmt: skip
def test_each_kind_says_what_is_not_held_fast(action: SshAction, kind: RequestKind) -> None:
    """What is typed later, what passes through, what files hold."""
    subject = command_subject(action, "")
    assert subject.kind is kind
    assert len(subject.unbound) == 1


def test_a_command_is_shown_as_it_is_known() -> None:
    """Its text with secrets replaced, its programs and paths, and how surely it is known."""
    action = ssh(
        "mysql -phunter2", redacted="mysql -p***", digest="9c41" * 16, assurance=Assurance.INFERRED,
        facts=(CommandFacts("ssh.exec", "mysql", paths=frozenset({"/a"}), tags=frozenset({"x"})),),
        details={"pty": "xterm"}, tags=frozenset({"y"}),
    )  # fmt: skip
    subject = command_subject(action, "low")
    assert (subject.text, subject.verb, subject.redacted) == ("mysql -p***", "mysql", True)
    assert subject.template == f"exact:{'9c41' * 16}"
    assert subject.tags == {"x", "y"}
    assert subject.facts["assurance"] == "inferred"
    assert (subject.facts["paths"], subject.facts["details"]) == (["/a"], {"pty": "xterm"})


DIFFERENT = [
    [sql("DELETE FROM t WHERE id = 1")],
    [sql("DELETE FROM t WHERE id = 2")],
    [sql("DELETE FROM t WHERE id = $1")],
    [sql("DELETE FROM t WHERE id = $1", BoundValue(23, "1", 1))],
    [sql("DELETE FROM t WHERE id = $1", BoundValue(25, "1", 1))],
    [sql("DELETE FROM t WHERE id = $1", BoundValue(23, None))],
    [sql("DELETE FROM t WHERE id = $1", BoundValue(23, "NULL", 4))],
    [sql("DELETE FROM t WHERE id = $1", BoundValue(23, "", 0))],
    [sql("DELETE FROM t WHERE id = $1", BoundValue(23, "", 9, "ab" * 32))],
    [sql("DELETE FROM t WHERE id = $1", BoundValue(23, "1", 1), BoundValue(23, "1", 1))],
    [sql("DELETE FROM t WHERE id = 1"), sql("DELETE FROM t WHERE id = 1")],
    [sql("DELETE FROM t WHERE id = 1DELETE FROM t WHERE id = 1")],
    [sql("EXECUTE p")],
    [sql("EXECUTE p", facts=(builders.facts(SqlClass.WRITE, takes=Naming(NameKind.STATEMENT, "p"), source="DELETE"),))],
    [sql("EXECUTE p", facts=(builders.facts(SqlClass.DDL, takes=Naming(NameKind.STATEMENT, "p"), source="DROP"),))],
    [ssh("reboot")],
    [ssh("reboot", mode="line")],
    [ssh("reboot", details={"script_sha256": "ab"})],
    [ssh("reboot", details={"script_sha256": "cd"})],
    [ssh("reboot", details={"pinned": {"path": "/a", "sha256": "ab"}})],
    [ssh("reboot\udcff")],
]  # fmt: skip


def test_exactly_the_same_is_the_same_to_the_target() -> None:
    """Text, values and their types, what stands behind a name, the way it runs, the script it gets."""
    assert len({exact_of(one) for one in DIFFERENT}) == len(DIFFERENT)
    again = sql("DELETE FROM t WHERE id = 1", mode="extended", tags=frozenset({"x"}))
    assert exact_of([again]) == exact_of(DIFFERENT[0])


def test_around_says_where_it_would_go() -> None:
    """Database and address, and what the proxy knows of how it is read."""
    session = builders.session(database="shop", target=builders.target(host="10.0.0.9", port=5433))
    assert around_of(session, {"search_path": "public"}) == {
        "database": "shop", "address": "10.0.0.9:5433", "search_path": "public",
    }  # fmt: skip


def test_a_statement_without_a_where_of_its_own_says_nothing_of_it() -> None:
    """Only what has one, or might."""
    facts = builders.facts(SqlClass.DDL, where=WhereClause.NOT_APPLICABLE)
    assert sql_subject([builders.action("DROP", facts)], "").facts["where"] == []
