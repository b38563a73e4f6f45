"""The index finds what happened, newest first, by key, time and word; and it can be made anew."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.spool_builder import (
    T0_US,
    MemoryKeys,
    SpoolBuilder,
    opened_payload,
    released_payload,
    session_id_of,
)

from gatekeep.domain.events import SearchQuery, StoredEvent
from gatekeep.domain.sessions import session_code
from gatekeep.journal.query import parse_query
from gatekeep.journal.reading import EventFiles
from gatekeep.journal.unsealing import Unsealer
from gatekeep.stores.sqlite.database import open_database
from gatekeep.stores.sqlite.index import MIGRATIONS, SearchIndex, has_words, open_index, words_of
from gatekeep.stores.sqlite.indexing import IndexFiller, rebuild_index
from gatekeep.stores.sqlite.reading import EventBooks


@pytest.fixture
def builder(tmp_path: Path) -> SpoolBuilder:
    """Two people, some statements of several shapes, failures, a system event."""
    made = SpoolBuilder(tmp_path / "journal")
    alice, bob = made.session(1), made.session(2, person="bob", target="wiki")
    made.append(alice, "session.opened", opened_payload())
    made.append(bob, "session.opened", opened_payload("bob", "reader"))
    made.commit()
    made.statements(alice, 300, template="select name from customers where id = $1",
                    tables=("public.customers",))
    n = made.append(
        bob, "action.refused",
        released_payload("delete from pages", "delete from pages", tables=("wiki.pages",),
                         decision="ask")
        | {"cause": "policy", "session": {"account": "reader", "principal": "bob"}},
        decision={"decision": "ask", "policy": "0123456789ab", "rule": "careful"},
    )  # fmt: skip
    made.append(
        bob, "auth.failed", {"principal": "mallory", "source": "10.0.0.0/24", "count": 3}
    )
    made.commit()
    assert n == 602
    return made


@pytest.fixture
def index(builder: SpoolBuilder, tmp_path: Path) -> Iterator[SearchIndex]:
    """The index over all of it."""
    path = tmp_path / "index.db"
    files = EventFiles(builder.journal)
    rebuild_index(path, bytes(32), files, Unsealer(builder.ring, builder.keys))
    files.close()
    found = SearchIndex(open_index(path, bytes(32)))
    yield found
    found.close()


@pytest.fixture(autouse=True)
def _session_keys(builder: SpoolBuilder) -> None:
    """Session keys as the archivist would have kept them."""
    archivist = builder.archivist()
    while archivist.step():
        pass
    archivist.checkpoint()
    archivist.close()


def found(index: SearchIndex, text: str, limit: int = 1000) -> list[int]:
    """Indices of the hits."""
    hits = index.hits(parse_query(text, now_us=T0_US + 10_000_000))
    return [hit.n for hit, _ in zip(hits, range(limit), strict=False)]


def test_an_action_is_one_hit_with_its_outcome(index: SearchIndex) -> None:
    """Released and finished events are one row, newest first."""
    hits = list(index.hits(SearchQuery(terms=(("table", "customers"),))))
    assert len(hits) == 300
    assert [hit.n for hit in hits] == sorted((hit.n for hit in hits), reverse=True)
    assert all(hit.outcome_n == hit.n + 1 for hit in hits)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("principal:alice", 301),
        ("principal:bob", 2 + 1),
        ("principal:mallory", 1),
        ("principal:nobody", 0),
        ("target:wiki kind:action.refused", 1),
        ("account:reader class:read", 1),
        ("decision:ask", 1),
        ("decision:allow rule:readers", 300),
        ("rule:careful", 1),
        ("tag:bulk table:public.customers", 300),
        ("table:wiki.*", 1),
        ("template:select*", 300),
        ("outcome:done", 300),
        ("kind:action.finished", 300),
        ("kind:session.*", 2),
        (f"session:{session_id_of(1)}", 301),
        (f"session:{session_code(session_id_of(2))}", 3),
        ("principal:alice decision:ask", 0),
        ("principal:alice principal:bob", 0),
    ],
)
def test_every_key_finds_its_events(index: SearchIndex, text: str, count: int) -> None:
    """Values are exact, `*` ends a prefix, several keys must all hold."""
    assert len(found(index, text)) == count


def test_times_cut_exactly(index: SearchIndex) -> None:
    """The time of `since` is inclusive, of `until` exclusive, in microseconds."""
    query = SearchQuery(since_us=T0_US + 100_000, until_us=T0_US + 200_000)
    assert {hit.n for hit in index.hits(query)} == {n for n in range(100, 200) if n % 2 == 0}


def test_paging_backwards_loses_and_repeats_nothing(index: SearchIndex) -> None:
    """Pages of seven put together are the whole answer."""
    whole = found(index, "principal:alice")
    pages: list[int] = []
    before: int | None = None
    while True:
        query = SearchQuery(terms=(("principal", "alice"),), before_n=before)
        page = [hit.n for hit, _ in zip(index.hits(query), range(7), strict=False)]
        if not page:
            break
        pages += page
        before = page[-1]
    assert pages == whole


def test_words_and_beginnings_of_words() -> None:
    """Words are cut and folded as the full text does it."""
    assert words_of("Select * from Über_table where x='a-B'") == [
        "select", "from", "über_table", "where", "x", "a", "b",
    ]  # fmt: skip
    assert has_words("select abalance from accounts", ["abal*", "from"])
    assert not has_words("select abalance from accounts", ["balance"])


async def test_the_archive_answers_whole_events(builder: SpoolBuilder, tmp_path: Path) -> None:
    """Search by word opens and compares; one event by index; all of it through the port."""
    path = tmp_path / "index.db"
    files = EventFiles(builder.journal)
    key = builder.ring.index_db_key()
    rebuild_index(path, key, files, Unsealer(builder.ring, builder.keys))
    books = EventBooks(builder.journal, path, builder.ring, builder.keys)
    words = await books.search(SearchQuery(text="customers 150"))
    assert [event.payload["text"] for event in words if event.payload] == [
        "select name from customers where id = 150"
    ]
    assert words[0].outcome is not None
    assert words[0].outcome["tag"] == "SELECT 1"
    refused = await books.search(SearchQuery(text="DELETE pag*"))
    assert [event.n for event in refused] == [602]
    one = await books.event(602)
    assert one is not None
    assert (one.state, one.envelope["k"]) == ("OK", "action.refused")
    assert await books.event(builder.n) is None
    assert len(await books.search(SearchQuery(limit=5))) == 5
    await books.close()


async def test_a_search_waits_for_what_was_durable(builder: SpoolBuilder, tmp_path: Path) -> None:
    """The index lags; a search sees all that was durable when it was asked."""
    path = tmp_path / "index.db"
    connection = open_index(path, builder.ring.index_db_key())
    filler = IndexFiller(connection, Unsealer(builder.ring, builder.keys))
    books = EventBooks(builder.journal, path, builder.ring, builder.keys)
    asked = asyncio.ensure_future(books.search(SearchQuery(terms=(("decision", "ask"),))))
    files = EventFiles(builder.journal)
    for begin in range(0, builder.n, 100):
        assert not asked.done()
        filler.add(files.events(begin, min(builder.n, begin + 100)))
        await asyncio.sleep(0)
    assert [event.n for event in await asked] == [602]
    await books.close()
    connection.close()


async def test_the_tail_gives_every_event_once_and_follows(builder: SpoolBuilder) -> None:
    """From an index on, through archive and spool, then what is appended meanwhile."""
    books = EventBooks(builder.journal, builder.journal / "none", builder.ring, builder.keys)
    tail = books.tail(250)
    seen: list[StoredEvent] = [await anext(tail) for _ in range(250, builder.n)]
    assert [event.n for event in seen] == list(range(250, builder.n))
    assert {event.state for event in seen} == {"OK"}
    session = builder.session(7)
    n = builder.append(session, "session.opened", opened_payload())
    builder.commit()
    assert (await anext(tail)).n == n
    await tail.aclose()  # type: ignore[attr-defined] # an async generator
    await books.close()


def test_slices_of_any_size_give_the_same_index(builder: SpoolBuilder, tmp_path: Path) -> None:
    """Filling event by event finds what filling at once finds, outcomes joined late included."""
    path = tmp_path / "small.db"
    connection = open_index(path, bytes(32))
    filler = IndexFiller(connection, Unsealer(builder.ring, builder.keys))
    files = EventFiles(builder.journal)
    for n in range(builder.n):
        filler.add(files.events(n, n + 1))
    index = SearchIndex(connection)
    assert len(found(index, "outcome:done table:customers")) == 300
    assert len(found(index, "customers 150")) > 0
    index.close()


def test_the_short_way_finds_what_parsing_finds(builder: SpoolBuilder, tmp_path: Path) -> None:
    """Outcomes that say their word in the envelope, escaped texts, and words cut as ever."""
    session = builder.session(9)
    builder.append(session, "session.opened", opened_payload())
    texts = ["select 'zebra\\t\"quagga\"' from t where a=7", "select über(1),\n okapi", "select 1"]
    for text in [*texts, *texts]:
        payload = released_payload(text, "select ?", tables=("public.zoo",))
        n = builder.append(session, "action.released", payload)
        builder.append(
            session, "action.finished", {"of": n, "outcome": "failed"},
            counters={"of": n, "outcome": "failed"},
        )
    builder.commit()
    sizes = {"whole.db": builder.n, "single.db": 1, "odd.db": 37}
    for name, size in sizes.items():
        connection = open_index(tmp_path / name, bytes(32))
        filler = IndexFiller(connection, Unsealer(builder.ring, builder.keys))
        files = EventFiles(builder.journal)
        while filler.index_n < builder.n:
            filler.add(files.events(filler.index_n, min(builder.n, filler.index_n + size)))
        files.close()
        index = SearchIndex(connection)
        assert len(found(index, "table:zoo outcome:failed")) == 6
        assert found(index, "outcome:failed table:zoo") == found(index, "table:zoo")
        for word in ("zebra", "quagga", "über", "okapi", "7"):
            assert n in found(index, f"{word} table:zoo")
        assert found(index, "giraffe") == []
        assert len(found(index, "outcome:done")) == 300
        index.close()


def test_an_index_of_before_is_made_anew(builder: SpoolBuilder, tmp_path: Path) -> None:
    """A file with one row for each event, as older versions wrote it, is emptied and filled again."""
    path = tmp_path / "old.db"
    old = open_database(path, bytes(32), MIGRATIONS[:1])
    old.execute("INSERT INTO event VALUES(5, 5, 1, 1, 1, NULL, NULL)")
    old.execute("INSERT INTO words(rowid, text) VALUES(5, 'stale')")
    old.execute("UPDATE progress SET index_n = 400")
    old.close()
    connection = open_index(path, bytes(32))
    filler = IndexFiller(connection, Unsealer(builder.ring, builder.keys))
    assert filler.index_n == 0
    filler.add(EventFiles(builder.journal).events(0, builder.n))
    index = SearchIndex(connection)
    assert len(found(index, "outcome:done")) == 300
    assert found(index, "stale") == []
    index.close()


def test_no_statement_text_lies_in_clear(builder: SpoolBuilder, tmp_path: Path) -> None:
    """The file is page-encrypted: no name, word or statement can be read from it."""
    path = tmp_path / "index.db"
    rebuild_index(path, bytes(32), EventFiles(builder.journal), Unsealer(builder.ring, builder.keys))
    content = path.read_bytes()
    assert not any(word in content for word in (b"customers", b"alice", b"SQLite format 3"))


def test_events_without_keys_are_still_indexed_by_their_envelope(
    builder: SpoolBuilder, tmp_path: Path
) -> None:
    """A payload that stays sealed leaves kind, session, target, decision and rule to search by."""
    connection = open_index(tmp_path / "sealed.db", bytes(32))
    filler = IndexFiller(connection, Unsealer(builder.ring, MemoryKeys()))
    filler.add(EventFiles(builder.journal).events(0, builder.n))
    index = SearchIndex(connection)
    assert len(found(index, "target:wiki rule:careful kind:action.refused")) == 1
    assert found(index, "table:customers") == []
    index.close()


def test_chunks_of_recordings_are_found_and_not_read(tmp_path: Path) -> None:
    """They are found by session and kind; nothing of them is kept, however large they are."""
    builder = SpoolBuilder(tmp_path / "recorded")
    session = builder.session(7)
    builder.append(session, "session.opened", opened_payload())
    for seq in range(5):
        payload = {"data": f"{seq}" * 50_000, "principal": "x" * 50_000, "text": "words"}
        builder.append(session, "recording.chunk", payload)
    builder.commit()
    path = tmp_path / "recorded.db"
    files = EventFiles(builder.journal)
    rebuild_index(path, bytes(32), files, Unsealer(builder.ring, builder.keys))
    files.close()
    made = SearchIndex(open_index(path, bytes(32)))
    assert found(made, f"session:{session_code(session.id)} kind:recording.chunk") == [5, 4, 3, 2, 1]
    assert found(made, "principal:alice kind:recording.*") == [5, 4, 3, 2, 1]
    assert found(made, "words") == []
    made.close()
    assert path.stat().st_size < 200_000


def test_a_search_that_is_left_early_does_not_hold_the_index(tmp_path: Path) -> None:
    """The same connection finds what is indexed after a search that wanted only a few hits."""
    builder = SpoolBuilder(tmp_path / "growing")
    session = builder.session(7)
    builder.append(session, "session.opened", opened_payload())
    builder.statements(session, 600)
    files, unsealer = EventFiles(builder.journal), Unsealer(builder.ring, builder.keys)
    path = tmp_path / "growing.db"
    filler = IndexFiller(open_index(path, bytes(32)), unsealer)
    filler.add(files.events(0, builder.n))
    reader = SearchIndex(open_index(path, bytes(32)))
    for text in ("principal:alice", "principal:alice kind:action.*", "", "select"):
        assert len(found(reader, text, 3)) == 3
        n = builder.append(session, "auth.failed", {"principal": "alice"})
        builder.commit()
        filler.add(files.events(filler.index_n, n + 1))
        assert reader.index_n() == n + 1
    reader.close()
    files.close()


def test_the_events_of_a_suggestion_are_found_by_its_id(tmp_path: Path) -> None:
    """From proposal to end, and by the rule it wrote; another one's are not among them."""
    made = SpoolBuilder(tmp_path / "loop")
    gateway = made.session(1)
    said = {"suggestion": "S-3f9a12bc", "rule": "adopted-3f9a12bc", "state": "proposed"}
    first = made.append(gateway, "suggestion.proposed", said)
    made.append(gateway, "suggestion.proposed", {**said, "suggestion": "S-00000000", "rule": "adopted-0"})
    last = made.append(gateway, "suggestion.reverted", {**said, "state": "reverted"})
    made.commit()
    path, files = tmp_path / "loop.db", EventFiles(made.journal)
    rebuild_index(path, bytes(32), files, Unsealer(made.ring, made.keys))
    files.close()
    index = SearchIndex(open_index(path, bytes(32)))
    assert found(index, "suggestion:S-3f9a12bc") == [last, first]
    assert found(index, "rule:adopted-3f9a12bc kind:suggestion.reverted") == [last]
    index.close()
