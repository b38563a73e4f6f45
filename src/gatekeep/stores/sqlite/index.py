"""`index.db`: finds events by key, time and word. Derived from the journal; never evidence.

Events are indexed by block of 256 (the journal's bundles): a posting says that a term occurs in
a block, the full text knows the words of a block, and the block's own row says, packed, which
event it was. That is some hundred times fewer entries than one for each event, and newest-first
paging stays cheap.
Statement text itself is not kept here, only its words; whoever asks reads the event and compares.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import apsw

from gatekeep.domain.events import SearchQuery
from gatekeep.stores.sqlite.database import open_database

BLOCK_SHIFT: Final = 8
BLOCK_WIDTH: Final = 1 << BLOCK_SHIFT
TERM_CHARACTERS: Final = 400
CLOCK_STEP_US: Final = 86_400_000_000
ROW: Final = struct.Struct("<BqIIIIq")
"""An event or action in its block: place in the block, µs UTC, kind, shape, session, outcome (term,
0 while there is none; the kind `action.unknown` where that is all that is known of it), index of the
outcome less its own (0 while there is none). By place."""

_LAST: Final = "\U0010ffff"
_SLICE: Final = 256
_WORD: Final = re.compile(r"\w+\*?")

MIGRATIONS: Final = (
    """
    CREATE TABLE progress(id INTEGER PRIMARY KEY CHECK (id = 0), index_n INTEGER NOT NULL) STRICT;
    INSERT INTO progress VALUES(0, 0);
    CREATE TABLE term(
      id INTEGER PRIMARY KEY, key TEXT NOT NULL, value TEXT NOT NULL, UNIQUE(key, value)
    ) STRICT;
    CREATE TABLE shape(id INTEGER PRIMARY KEY, terms TEXT NOT NULL) STRICT;
    CREATE TABLE session(
      id INTEGER PRIMARY KEY, session_id TEXT NOT NULL UNIQUE, terms TEXT NOT NULL
    ) STRICT;
    CREATE TABLE event(
      n INTEGER PRIMARY KEY, t INTEGER NOT NULL, kind INTEGER NOT NULL, shape INTEGER NOT NULL,
      session INTEGER NOT NULL, outcome INTEGER, outcome_n INTEGER
    ) STRICT;
    CREATE TABLE posting(
      term INTEGER NOT NULL, block INTEGER NOT NULL, PRIMARY KEY(term, block)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE block(
      block INTEGER PRIMARY KEY, first_t INTEGER NOT NULL, last_t INTEGER NOT NULL
    ) STRICT;
    CREATE VIRTUAL TABLE words USING fts5(
      text, content='', columnsize=0, detail=none,
      tokenize="unicode61 remove_diacritics 0 tokenchars '_'"
    );
    """,
    # rows packed by block: made anew from the journal, as it always may be
    """
    UPDATE progress SET index_n = 0;
    DROP TABLE event;
    DROP TABLE block;
    DELETE FROM posting;
    DELETE FROM shape;
    DELETE FROM session;
    DELETE FROM term;
    INSERT INTO words(words) VALUES('delete-all');
    CREATE TABLE block(
      block INTEGER PRIMARY KEY, first_t INTEGER NOT NULL, last_t INTEGER NOT NULL,
      rows BLOB NOT NULL
    ) STRICT;
    """,
    # actions over SSH were told apart by less than what is searched for: made anew
    """
    UPDATE progress SET index_n = 0;
    DELETE FROM block;
    DELETE FROM posting;
    DELETE FROM shape;
    DELETE FROM session;
    DELETE FROM term;
    INSERT INTO words(words) VALUES('delete-all');
    """,
)


@dataclass(frozen=True, slots=True)
class Hit:
    """One event that matches every key; its words are still to be compared."""

    n: int
    outcome_n: int | None


def open_index(path: Path, key: bytes) -> apsw.Connection:
    """The database, made if it is missing. Raises as `open_database` does."""
    return open_database(path, key, MIGRATIONS, synchronous="NORMAL")


def fetch(db: apsw.Connection, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """All rows of a query; the columns' types are the schema's promise."""
    return db.execute(query, tuple(values)).fetchall()


def words_of(text: str) -> list[str]:
    """The words of a text as the index cuts them; in a query `*` may end a word."""
    return _WORD.findall(text.lower())


def has_words(text: str, wanted: Sequence[str]) -> bool:
    """Whether every wanted word (or beginning of a word, with `*`) occurs in the text."""
    present = {word.rstrip("*") for word in words_of(text)}
    return all(
        any(word.startswith(one[:-1]) for word in present) if one.endswith("*") else one in present
        for one in wanted
    )


def set_outcome(packed: bytearray, place: int, outcome: int, later: int) -> None:
    """In a block's rows: set outcome and its index in the row of this place, if there is one."""
    for offset in range(0, len(packed), ROW.size):
        if packed[offset] == place:
            row = ROW.unpack_from(packed, offset)
            ROW.pack_into(packed, offset, *row[:5], outcome, later)
            return


class SearchIndex:
    """Answers queries from `index.db`. One instance and thread at a time."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    def index_n(self) -> int:
        """All events below this index are in the index."""
        return int(fetch(self._db, "SELECT index_n FROM progress")[0][0])

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def hits(self, query: SearchQuery) -> Iterator[Hit]:
        """Events that match keys and times, newest first; `limit` is the caller's to keep.

        Words only narrow the blocks: compare each event with `has_words`.
        """
        groups = [self._term_ids(key, value) for key, value in query.terms]
        if not all(groups):
            return
        before = query.before_n if query.before_n is not None else self.index_n()
        ended = self._term_ids("kind", "action.finished")
        lost = self._term_ids("kind", "action.unknown")
        own = {term: lost | self._term_ids("outcome", "unknown") for term in lost}
        matcher = _Matcher(self._db, groups, ended, own)
        for block in self._blocks(groups, words_of(query.text), query, (before - 1) >> BLOCK_SHIFT):
            base = block << BLOCK_SHIFT
            for row in self._rows_of(block):
                n = base + row[0]
                if n < before and _in_time(row[1], query) and matcher.matches(row):
                    yield Hit(n, n + row[6] if row[6] else None)

    def _rows_of(self, block: int) -> list[tuple[int, ...]]:
        """A block's rows, newest first."""
        packed = fetch(self._db, "SELECT rows FROM block WHERE block = ?", (block,))
        return list(ROW.iter_unpack(packed[0][0]))[::-1] if packed else []

    def _term_ids(self, key: str, value: str) -> frozenset[int]:
        value = value[:TERM_CHARACTERS]
        if value.endswith("*"):
            begin = value[:-1]
            rows = fetch(
                self._db,
                "SELECT id FROM term WHERE key = ? AND value >= ? AND value < ?",
                (key, begin, begin + _LAST),
            )
        else:
            rows = fetch(
                self._db, "SELECT id FROM term WHERE key = ? AND value = ?", (key, value)
            )
        return frozenset(row[0] for row in rows)

    def _blocks(
        self, groups: Sequence[frozenset[int]], words: Sequence[str], query: SearchQuery, last: int
    ) -> Iterator[int]:
        """Blocks in which all terms and words occur, newest first."""
        streams = [self._posting_blocks(group, last) for group in groups]
        if words:
            streams.append(self._word_blocks(words, last))
        found = _common(streams) if streams else self._all_blocks(last)
        if query.since_us is None and query.until_us is None:
            yield from found
            return
        since, until = query.since_us, query.until_us
        for block in found:
            rows = fetch(
                self._db, "SELECT first_t, last_t FROM block WHERE block = ?", (block,)
            )
            if not rows:
                continue
            first_t, last_t = rows[0]
            if since is not None and last_t < since - CLOCK_STEP_US:
                return
            if (since is None or last_t >= since) and (until is None or first_t < until):
                yield block

    def _posting_blocks(self, terms: frozenset[int], last: int) -> Iterator[int]:
        if len(terms) == 1:
            query = "SELECT block FROM posting WHERE term = %d AND block <= ? ORDER BY block DESC"
            return self._falling(query % tuple(terms), last)
        marks = ",".join(str(int(term)) for term in terms)
        return self._falling(
            f"SELECT DISTINCT block FROM posting WHERE term IN ({marks}) AND block <= ?"  # noqa: S608 - integers
            " ORDER BY block DESC",
            last,
        )

    def _word_blocks(self, words: Sequence[str], last: int) -> Iterator[int]:
        match = " ".join(f'"{w[:-1]}"*' if w.endswith("*") else f'"{w}"' for w in words)
        previous = -1
        for row in self._falling(
            "SELECT rowid FROM words WHERE words MATCH ? AND rowid <= ? ORDER BY rowid DESC",
            ((last + 1) << BLOCK_SHIFT) - 1,
            match,
        ):
            block = row >> BLOCK_SHIFT
            if block != previous:
                yield block
            previous = block

    def _all_blocks(self, last: int) -> Iterator[int]:
        return self._falling("SELECT block FROM block WHERE block <= ? ORDER BY block DESC", last)

    def _falling(self, query: str, last: int, *values: str) -> Iterator[int]:
        """The numbers that a query gives from `last` (its last value) down, some at a time.

        No statement stays open between them: a search that is left early would else keep this
        connection in a transaction, in which it never sees what is indexed later.
        """
        while True:
            rows = fetch(self._db, f"{query} LIMIT {_SLICE}", (*values, last))
            for row in rows:
                yield row[0]
            if len(rows) < _SLICE:
                return
            last = rows[-1][0] - 1


class _Matcher:
    """Whether a row has one term of each group; what shapes and sessions match is remembered."""

    def __init__(
        self,
        db: apsw.Connection,
        groups: Sequence[frozenset[int]],
        finished: frozenset[int],
        lost: Mapping[int, frozenset[int]],
    ) -> None:
        self._db = db
        self._groups = groups
        self._finished = finished
        self._lost = lost
        self._all = (1 << len(groups)) - 1
        self._known: dict[tuple[str, int], int] = {}

    def matches(self, row: tuple[int, ...]) -> bool:
        """`row` is as in ROW."""
        if not self._groups:
            return True
        mask = self._mask_of("shape", row[3]) | self._mask_of("session", row[4])
        if mask != self._all:
            own = {row[2], row[5]}
            if row[6]:
                own |= self._lost.get(row[5], self._finished)
            mask |= self._mask(own)
        return mask == self._all

    def _mask_of(self, table: str, row_id: int) -> int:
        known = self._known.get((table, row_id))
        if known is None:
            rows = fetch(
                self._db,
                f"SELECT terms FROM {table} WHERE id = ?",  # noqa: S608 - one of two names
                (row_id,),
            )
            terms = {int(term) for term in rows[0][0].split()} if rows else set()
            known = self._known[table, row_id] = self._mask(terms)
        return known

    def _mask(self, terms: set[Any]) -> int:
        return sum(1 << place for place, group in enumerate(self._groups) if group & terms)


def _in_time(t: int, query: SearchQuery) -> bool:
    return (query.since_us is None or t >= query.since_us) and (
        query.until_us is None or t < query.until_us
    )


def _common(streams: Sequence[Iterator[int]]) -> Iterator[int]:
    """Numbers that every falling stream holds, falling."""
    heads = [next(stream, None) for stream in streams]
    while all(head is not None for head in heads):
        lowest = min(head for head in heads if head is not None)
        if all(head == lowest for head in heads):
            yield lowest
            heads = [next(stream, None) for stream in streams]
            continue
        for place, stream in enumerate(streams):
            head = heads[place]
            while head is not None and head > lowest:
                head = next(stream, None)
            heads[place] = head
