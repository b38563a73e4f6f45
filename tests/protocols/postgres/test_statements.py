"""Names: which text is behind an Execute, when the target confirms it, and when it does not."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from support.postgres_link import Link
from support.postgres_wire import Wire, shape

from gatekeep.protocols.postgres import messages as m
from gatekeep.protocols.postgres.statements import Names, Statement

Connect = Callable[[], Wire]


def texts(link: Link, data: bytes) -> list[str | None]:
    """What the executions of this exchange were taken for; None where the source is unknown."""
    before = len(link.executions)
    link.exchange(data + m.SYNC)
    return [None if one.unknown_source else one.text for one in link.executions[before:]]


def run(statement: str, portal: str = "") -> bytes:
    """Bind and Execute."""
    return m.bind(portal, statement) + m.execute(portal)


@pytest.fixture
def link(connect: Connect) -> Link:
    """A conversation with the real server, everything allowed."""
    return Link(wire=connect())


def test_a_prepared_statement_is_known_by_its_name(link: Link) -> None:
    """Parsed once, each execution carries the text; an unknown name carries none."""
    link.exchange(m.parse("a", "select 1", [23]) + m.SYNC)
    assert texts(link, run("a") + run("a")) == ["select 1", "select 1"]
    assert texts(link, run("nobody")) == [None]
    assert link.executions[0].parameter_oids == (23,)


def test_a_failed_parse_of_a_known_name_keeps_the_old_text(link: Link) -> None:
    """Both when the name is taken and when the text is wrong."""
    link.exchange(m.parse("a", "select 1") + m.SYNC)
    assert texts(link, m.parse("a", "select 2") + run("a")) == ["select 2"]  # and the target fails
    assert shape(link.relayed)[-2] == "E 42P05"
    assert texts(link, run("a")) == ["select 1"]


def test_what_was_prepared_behind_an_error_never_was(link: Link) -> None:
    """The target skips to the Sync, and the tables with it."""
    link.exchange(m.parse("", "select 1/0") + run("") + m.parse("b", "select 2") + m.SYNC)
    assert texts(link, run("b")) == [None]


def test_what_was_prepared_before_an_error_stays(link: Link) -> None:
    """Confirmed is confirmed, also when the transaction is rolled back."""
    link.exchange(m.query("begin"))
    link.exchange(m.parse("c", "select 3") + m.parse("", "select 1/0") + run("") + m.SYNC)
    link.exchange(m.query("rollback"))
    assert texts(link, run("c")) == ["select 3"]


def test_close_forgets_and_the_name_can_be_given_again(link: Link) -> None:
    """Within one segment too."""
    link.exchange(m.parse("a", "select 1") + m.SYNC)
    assert texts(
        link, run("a") + m.close("S", "a") + m.parse("a", "select 2") + run("a")
    ) == ["select 1", "select 2"]
    assert texts(link, m.close("S", "a") + run("a")) == [None]


def test_a_query_drops_the_unnamed_statement(link: Link) -> None:
    """As the target does."""
    link.exchange(m.parse("", "select 1") + m.SYNC)
    link.exchange(m.query("select 2"))
    assert texts(link, run("")) == [None]
    assert shape(link.relayed)[-2] == "E 26000"


def test_portals_end_with_their_transaction(link: Link) -> None:
    """Known while it is open, unknown after."""
    link.exchange(m.query("begin"))
    link.exchange(m.parse("", "select generate_series(1,9)") + m.bind("p", "") + m.SYNC)
    assert texts(link, m.execute("p", 1)) == ["select generate_series(1,9)"]
    link.exchange(m.query("commit"))
    assert texts(link, m.execute("p", 1)) == [None]


@pytest.mark.parametrize("way", ["simple", "extended"])
@pytest.mark.parametrize(
    ("command", "after"),
    [
        ("deallocate a", ["select 1"]),  # harmless: the target itself says that it is gone
        ("deallocate all", [None]),
        ("discard all", [None]),
        ("deallocate a; prepare a as select 2", [None]),
        ("prepare z as select 2", ["select 1"]),
    ],
)
def test_sql_commands_change_the_same_names(
    link: Link, way: str, command: str, after: list[str | None]
) -> None:
    """A name taken away and given again never keeps its old text."""
    link.exchange(m.parse("a", "select 1") + m.SYNC)
    for one in [command] if way == "simple" else command.split("; "):
        link.exchange(
            m.query(one) if way == "simple" else m.parse("", one) + run("") + m.SYNC
        )
    assert texts(link, run("a")) == after


def test_a_cursor_of_the_same_name_is_not_the_old_portal(link: Link) -> None:
    """CLOSE and DECLARE work on portals of the protocol too."""
    link.exchange(m.query("begin"))
    link.exchange(m.parse("", "select generate_series(1,9)") + m.bind("p", "") + m.SYNC)
    link.exchange(m.query("close p; declare p cursor for select 2"))
    assert texts(link, m.execute("p", 1)) == [None]
    assert shape(link.relayed)[-3:] == ["D", "s", "Z T"]


@pytest.mark.parametrize("comment", ["", "/* a */ ", "-- a\n", ";"])
def test_names_given_anew_within_a_segment_are_not_believed(link: Link, comment: str) -> None:
    """PREPARE and DECLARE in a pipeline: what follows under an old name has no text."""
    link.exchange(m.query("begin"))
    link.exchange(m.parse("a", "select 1") + m.parse("c", "select 2") + m.bind("p", "c") + m.SYNC)
    told = texts(
        link,
        m.parse("", "deallocate a") + run("") + m.parse("", comment + "prepare a as select 3")
        + run("") + run("a") + m.parse("", "close p") + run("")
        + m.parse("", comment + "DECLARE p cursor for select 4") + run("") + m.execute("p", 1),
    )  # fmt: skip
    assert told[2] is None
    assert told[5] is None
    assert shape(link.relayed)[-1] == "Z T"


def test_a_statement_that_only_mentions_it_clouds_nothing(link: Link) -> None:
    """A prepared statement over a column `prepared_at` runs a thousand times in one segment."""
    link.exchange(m.parse("a", "select 1 as prepared_at") + m.SYNC)
    assert texts(link, run("a") * 3) == ["select 1 as prepared_at"] * 3


def test_what_is_kept_behind_names_is_bounded(link: Link) -> None:
    """Beyond the room a text is judged and recorded when sent, and not known later."""
    text = "select '" + "x" * (9 << 20) + "'"
    for name in "abcde":
        link.exchange(m.parse(name, text) + m.SYNC)
    known = [texts(link, m.bind("", name)) for name in "abcde"]
    assert [one != [None] for one in known] == [True, True, True, False, False]
    link.exchange(m.close("S", "a") + m.SYNC)
    link.exchange(m.parse("f", text) + m.SYNC)
    assert texts(link, m.bind("", "f")) == [text]


@pytest.mark.parametrize("seed", range(15))
def test_a_text_that_is_believed_is_the_text_that_runs(connect: Connect, seed: int) -> None:
    """Random preparing, closing, failing and running: the row says which text really ran."""
    draw = random.Random(seed)
    link = Link(wire=connect())
    count = 0
    for _ in range(60):
        data = b""
        for _ in range(draw.randint(1, 6)):
            name, portal = draw.choice(["", "a", "b"]), draw.choice(["", "p"])
            count += 1
            text = f"select 'ran-{count}-'" if draw.random() < 0.9 else "select 1/0"
            data += draw.choice(
                [
                    m.parse(name, text), run(name, portal), run(name, portal),
                    m.bind(portal, name), m.execute(portal, 1), m.close("S", name),
                    m.close("P", portal), m.parse(name, text) + run(name, portal), m.FLUSH,
                ]
            )  # fmt: skip
        if draw.random() < 0.2:
            link.exchange(m.query(draw.choice(["begin", "commit", "rollback", "deallocate all"])))
        before, seen = len(link.outcomes), len(link.relayed)
        link.exchange(data + m.SYNC)
        ran = link.relayed[seen:].split(b"ran-")[1:]
        believed = [
            text for text, outcome in link.outcomes[before:]
            if outcome.rows and outcome.tag in {"SELECT 1", "SUSPENDED"}
        ]  # fmt: skip
        assert len(ran) == len(believed)
        for body, text in zip(ran, believed, strict=True):
            assert not text or text.startswith("select 'ran-" + body.split(b"-")[0].decode() + "-")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("s" * 63 + "1", "s" * 63 + "2"),
        ("s" * 63, "s" * 63 + "2"),
        ("s" * 63 + "1", "s" * 63),
        ("é" * 31 + "s1", "é" * 31 + "s2"),
        ("s" * 62 + "é", "s" * 62 + "è"),
    ],
)
def test_names_that_are_one_to_the_target_are_not_two_here(
    link: Link, one: str, other: str
) -> None:
    """Of a name only 63 bytes count: what is closed and given anew under another tail is seen."""
    link.exchange(m.parse(one, "select 1") + m.SYNC)
    link.exchange(m.close("S", other) + m.SYNC)
    link.exchange(m.parse(other, "select 2") + m.SYNC)
    assert shape(link.relayed)[-2:] == ["1", "Z I"], "the target holds them for one name"
    assert "select 1" not in texts(link, run(one))
    assert "select 1" not in texts(link, run(other))


def test_portals_that_are_one_to_the_target_are_not_two_here(link: Link) -> None:
    """The same for portals: one that was bound under another tail is not taken for the first."""
    first, second = "p" * 63 + "1", "p" * 63 + "2"
    link.exchange(m.query("begin"))
    link.exchange(m.parse("a", "select 1") + m.parse("b", "select 2") + m.SYNC)
    link.exchange(m.bind(first, "a") + m.SYNC)
    link.exchange(m.close("P", second) + m.bind(second, "b") + m.SYNC)
    assert "select 1" not in texts(link, m.execute(first))



def test_a_described_statement_has_the_types_that_the_target_gave() -> None:
    """What the client named stands; the rest is the target's; the old Statement is left alone."""
    names = Names()
    parsed = Statement("s", "select $1, $2", (23,))
    names.parsed(parsed)
    names.parse_complete(parsed)
    names.described(parsed, (20, 25))
    known = names.statement("s")
    assert known is not None
    assert known.oids == (23, 25)
    assert parsed.oids == (23,)


def test_a_suspended_portal_keeps_the_vector_of_its_making(link: Link) -> None:
    """After SET search_path it still reads what it read: its further executions are not known."""
    link.exchange(m.query("begin"))
    link.exchange(m.parse("", "select generate_series(1, 9)") + m.bind("held", "") + m.SYNC)
    assert texts(link, m.execute("held", 2)) == ["select generate_series(1, 9)"]
    link.exchange(m.query("set search_path = elsewhere"))
    assert texts(link, m.execute("held", 2)) == [None]
