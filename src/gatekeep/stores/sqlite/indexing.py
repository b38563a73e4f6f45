"""Fills `index.db` from the journal, in slices; runs in the archivist's process.

Costs are counted per event: whatever repeats (the facts of a shape, a session) is read once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw
import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gatekeep.domain.sessions import session_code
from gatekeep.errors import EvidenceBroken
from gatekeep.journal.reading import EventFiles
from gatekeep.journal.recent import Event
from gatekeep.journal.sealing import NONCE_BYTES, SALT_BYTES, SessionSealer
from gatekeep.journal.unsealing import Unsealer
from gatekeep.stores.sqlite.index import (
    BLOCK_SHIFT,
    ROW,
    TERM_CHARACTERS,
    fetch,
    open_index,
    set_outcome,
)
from gatekeep.stores.sqlite.terms import TEXT, search_pairs, text_of

SLICE_EVENTS: Final = 8192
_CACHED: Final = 50_000
_TEXT_CHARACTERS: Final = 65_536
_ENDED: Final = frozenset({"action.finished", "action.unknown"})
_ACTIONS: Final = frozenset({"action.released", "action.refused"})
_MODE: Final = b'"mode":"'
_PLACE: Final = (1 << BLOCK_SHIFT) - 1
_KIND: Final = b',"k":"'
_RELEASED: Final = b'action.released"'
_FINISHED: Final = b'action.finished"'
_OF: Final = b',"r":{"of":'
_Q: Final = b',"q":'
_SESSION: Final = b',"s":"'
_SESSION_CHARACTERS: Final = 32
_TIME: Final = b'","t":'


class _Block:
    """What one slice adds to one block. `rows` are as in ROW."""

    __slots__ = ("first_n", "first_t", "last_t", "rows", "terms", "text", "words")

    def __init__(self, n: int, t: int) -> None:
        self.first_n = n
        self.first_t = t
        self.last_t = t
        self.rows: list[list[int]] = []
        self.terms: set[int] = set()
        self.words: set[bytes] = set()
        self.text = b""  # whose words were added last: a prepared statement's are added once


class _Known(NamedTuple):
    """A session that was met before: its row, what opens its events, and its log's origin."""

    row: int
    sealer: SessionSealer
    origin: bytes


class IndexFiller:
    """Adds events in order. `index_n` is the first event that is not in the index.

    Actions of known sessions and shapes, and their outcomes, take a short way (`_released`,
    `_finished`): single members are cut out of the leaf and payload, which are ours and canonical.
    A quote inside a JSON string is always escaped, so `,"k":"` can only begin a member. All else,
    and whatever looks unusual, is parsed (`_parse`).
    """

    def __init__(self, connection: apsw.Connection, unsealer: Unsealer) -> None:
        self._db = connection
        self._unsealer = unsealer
        self._terms: dict[tuple[str, str], int] = {}
        self._shapes: OrderedDict[bytes, int] = OrderedDict()
        self._sessions: OrderedDict[str, int] = OrderedDict()
        self._known: dict[bytes, _Known] = {}
        self._terms_of_shape: dict[int, list[int]] = {}
        self._terms_of_session: dict[int, list[int]] = {}
        self._outcomes: dict[bytes, int] = {}
        self._cut = SALT_BYTES  # where the last action's facts ended; mostly the next one's do too
        self._blocks: dict[int, _Block] = {}
        self._rows: dict[int, list[int]] = {}
        self._late: dict[int, list[tuple[int, int, int]]] = {}
        self.index_n = int(fetch(connection, "SELECT index_n FROM progress")[0][0])
        with connection:
            self._released_term = self._term("kind", "action.released")
            self._ended_term = self._term("kind", "action.finished")

    def add(self, events: Iterable[Event]) -> int:
        """Index these events (which must go on at `index_n`) in one transaction; returns how many."""
        begun = self.index_n
        with self._db:
            self._take(events)
            self._flush()
        return self.index_n - begun

    def _take(self, events: Iterable[Event]) -> None:
        expected = self.index_n
        for n, leaf, ciphertext, extra in events:
            if n != expected:
                raise EvidenceBroken(f"event {n} is not in its place")
            at = leaf.find(_KIND) + len(_KIND)
            if leaf.startswith(_FINISHED, at):
                short = self._finished(n, leaf, at)
            elif leaf.startswith(_RELEASED, at) and not extra:
                short = self._released(n, leaf, at, ciphertext)
            else:
                short = False
            if not short:
                self._parse(n, leaf, ciphertext, extra)
            expected = self.index_n = n + 1

    def _finished(self, n: int, leaf: bytes, at: int) -> bool:
        """Join an outcome that says its word in the envelope: nothing is opened."""
        if leaf.find(b',"n":%d,"o":' % n, at) < 0:
            return False
        begin = leaf.find(_OF, at) + len(_OF)
        if begin < len(_OF):
            return False
        close = leaf.find(b"}", begin)
        of, _, rest = leaf[begin:close].partition(b',"outcome":"')
        outcome = self._outcomes.get(rest)
        if outcome is None:
            if not rest.endswith(b'"') or b"\\" in rest:
                return False
            outcome = self._outcomes[rest] = self._term("outcome", rest[:-1].decode())
        action = int(of)
        row = self._rows.get(action)
        if row is None:
            return False
        row[5], row[6] = outcome, n - action
        return True

    def _released(self, n: int, leaf: bytes, at: int, ciphertext: bytes) -> bool:
        """An action whose session and shape are known."""
        begin = leaf.find(_Q, at) + len(_Q)
        comma = leaf.find(b",", begin)
        if not leaf.startswith(_SESSION, comma):
            return False
        q = leaf[begin:comma]
        first = comma + len(_SESSION)
        end = first + _SESSION_CHARACTERS
        known = self._known.get(leaf[first:end])
        if known is None or not leaf.startswith(_TIME, end):
            return False
        end += len(_TIME)
        comma = leaf.find(b",", end)
        t = int(leaf[end:comma])
        try:
            plain = AESGCM(known.sealer.event_key(int(q))).decrypt(
                ciphertext[:NONCE_BYTES],
                ciphertext[NONCE_BYTES:],
                b"%b|%d|action.released" % (known.origin, n),
            )
        except InvalidTag:
            return False
        cut = self._cut if plain.startswith(_MODE, self._cut) else plain.find(_MODE, SALT_BYTES)
        shape = self._shapes.get(plain[SALT_BYTES:cut])
        text = plain.rfind(TEXT, cut) + len(TEXT)
        if shape is None or text < len(TEXT) or not plain.endswith(b'"}'):
            return False
        words = plain[text:-2]
        if b"\\" in words or len(words) > _TEXT_CHARACTERS:
            return False
        self._cut = cut
        block = self._blocks.get(n >> BLOCK_SHIFT) or self._block(n, t)
        row = self._rows[n] = [n & _PLACE, t, self._released_term, shape, known.row, 0, 0]
        block.rows.append(row)
        if words != block.text:
            block.text = words
            block.words.update(words.split())
        return True

    def _block(self, n: int, t: int) -> _Block:
        number = n >> BLOCK_SHIFT
        block = self._blocks.get(number)
        if block is None:
            block = self._blocks[number] = _Block(n, t)
        return block

    def _parse(self, n: int, leaf: bytes, ciphertext: bytes, extra: bytes) -> None:
        """Any event, by parsing all of it."""
        envelope = orjson.loads(leaf)
        if envelope["n"] != n:
            raise EvidenceBroken(f"event {n} is not in its place")
        kind = envelope["k"]
        try:  # recordings are large, and have no words
            chunk = kind == "recording.chunk"
            payload = None if chunk else self._unsealer.peek(envelope, ciphertext, extra)
        except EvidenceBroken:
            payload = None  # an event that does not open is still there; verify names it
        if kind in _ENDED:
            self._outcome(n, kind, envelope, payload)
        else:
            self._event(n, kind, envelope, payload or b"{}")

    def _event(self, n: int, kind: str, envelope: Mapping[str, Any], payload: bytes) -> None:
        cut = payload.find(_MODE) if kind in _ACTIONS else -1
        session = self._sessions.get(envelope["s"])
        key = payload[: cut if cut > 0 else len(payload)]
        if kind != "action.released":
            key = kind.encode() + key
        shape = self._shapes.get(key)
        text = text_of(payload) if cut > 0 else ""
        if session is None or shape is None:
            text = str((parsed := orjson.loads(payload)).get("text", ""))
            if session is None:
                session = self._session(envelope, parsed)
            if shape is None:
                shape = self._shape(key, envelope, parsed)
        self._remember(envelope, session)
        block = self._block(n, envelope["t"])
        row = self._rows[n] = [n & _PLACE, envelope["t"], self._term("kind", kind), shape, session, 0, 0]
        block.rows.append(row)
        block.words.update(text[:_TEXT_CHARACTERS].encode().split())

    def _remember(self, envelope: Mapping[str, Any], row: int) -> None:
        """From now on this session's actions may take the short way."""
        session_id = envelope["s"]
        sealer = self._unsealer.sealer(session_id)
        if sealer is not None and len(session_id) == _SESSION_CHARACTERS and session_id.isalnum():
            if len(self._known) >= _CACHED:
                self._known.clear()
            self._known[session_id.encode()] = _Known(row, sealer, envelope["o"].encode())

    def _outcome(
        self, n: int, kind: str, envelope: Mapping[str, Any], payload: bytes | None
    ) -> None:
        """Join what became of an action to the action's row."""
        said = envelope.get("r", {})
        of = said.get("of")
        if not isinstance(of, int) or not 0 <= of < n:
            self._event(n, kind, envelope, payload or b"{}")
            return
        word = said.get("outcome")
        if kind != "action.finished":
            word = "unknown"
        elif not isinstance(word, str):
            word = str(orjson.loads(payload).get("outcome", "unknown")) if payload else "unknown"
        said, ended = self._term("outcome", word), self._term("kind", kind)
        outcome = said if kind == "action.finished" else ended  # which says `unknown`, too
        row = self._rows.get(of)
        if row is not None:
            row[5], row[6] = outcome, n - of
            self._blocks[of >> BLOCK_SHIFT].terms |= {said, ended}
        else:
            self._late.setdefault(of >> BLOCK_SHIFT, []).append((of, outcome, n))
            rows = [(term, of >> BLOCK_SHIFT) for term in (said, ended)]
            self._db.executemany("INSERT OR IGNORE INTO posting VALUES(?, ?)", rows)

    def _term(self, key: str, value: str) -> int:
        known = self._terms.get((key, value))
        if known is not None:
            return known
        cut = value[:TERM_CHARACTERS]
        self._db.execute("INSERT OR IGNORE INTO term(key, value) VALUES(?, ?)", (key, cut))
        rows = fetch(self._db, "SELECT id FROM term WHERE key = ? AND value = ?", (key, cut))
        term = int(rows[0][0])
        if len(self._terms) >= _CACHED:
            self._terms.clear()
        self._terms[key, value] = term
        return term

    def _session(self, envelope: Mapping[str, Any], payload: Mapping[str, Any]) -> int:
        session_id = envelope["s"]
        query = "SELECT id, terms FROM session WHERE session_id = ?"
        rows = fetch(self._db, query, (session_id,))
        if rows:
            row_id, terms = int(rows[0][0]), [int(term) for term in rows[0][1].split()]
        else:
            said = payload.get("session")
            said = said if isinstance(said, dict) else payload
            pairs = [("session", session_id), ("session", session_code(session_id))]
            if envelope["k"].startswith(("session.", "action.")):
                pairs += [
                    (key, said[key])
                    for key in ("principal", "account")
                    if isinstance(said.get(key), str) and said[key]
                ]
            if envelope.get("x"):
                pairs.append(("target", envelope["x"]))
            terms = [self._term(*pair) for pair in pairs]
            self._db.execute(
                "INSERT INTO session(session_id, terms) VALUES(?, ?)",
                (session_id, " ".join(map(str, terms))),
            )
            row_id = self._db.last_insert_rowid()
        _keep(self._sessions, session_id, row_id)
        self._terms_of_session[row_id] = terms
        return row_id

    def _shape(
        self, key: bytes, envelope: Mapping[str, Any], payload: Mapping[str, Any]
    ) -> int:
        terms = sorted({self._term(*pair) for pair in search_pairs(envelope, payload)})
        self._db.execute("INSERT INTO shape(terms) VALUES(?)", (" ".join(map(str, terms)),))
        shape = self._db.last_insert_rowid()
        _keep(self._shapes, key, shape)
        self._terms_of_shape[shape] = terms
        return shape

    def _flush(self) -> None:
        db = self._db
        postings: list[tuple[int, int]] = []
        for number, block in self._blocks.items():
            terms = self._block_terms(block)
            postings += [(term, number) for term in terms]
            if block.words:
                db.execute(
                    "INSERT INTO words(rowid, text) VALUES(?, ?)",
                    (block.first_n, b" ".join(block.words).decode("utf-8", "replace")),
                )
        postings.sort()
        db.executemany("INSERT OR IGNORE INTO posting VALUES(?, ?)", postings)
        for number in self._blocks.keys() | self._late.keys():
            self._put_block(number)
        db.execute("UPDATE progress SET index_n = ?", (self.index_n,))
        self._rows = {}
        self._late = {}
        self._blocks = {}
        if len(self._terms_of_shape) > _CACHED or len(self._terms_of_session) > _CACHED:
            self._terms_of_shape.clear()
            self._terms_of_session.clear()

    def _block_terms(self, block: _Block) -> set[int]:
        """All terms that occur in a block."""
        terms = block.terms
        _, times, kinds, shapes, sessions, outcomes, _ = map(set, zip(*block.rows, strict=True))
        block.first_t, block.last_t = min(times), max(times)
        terms |= kinds | outcomes
        if 0 in outcomes:
            terms.discard(0)
        if len(outcomes) > (0 in outcomes):
            terms.add(self._ended_term)
        for shape in shapes:
            terms.update(self._terms_of_shape.get(shape) or self._stored("shape", shape))
        for session in sessions:
            terms.update(self._terms_of_session.get(session) or self._stored("session", session))
        return terms

    def _put_block(self, number: int) -> None:
        """Write a block's rows: those of before, with what was learned late, and the new ones."""
        block, base = self._blocks.get(number), number << BLOCK_SHIFT
        old = fetch(
            self._db, "SELECT first_t, last_t, rows FROM block WHERE block = ?", (number,)
        ) if number in self._late or (block is not None and block.first_n != base) else []
        packed = bytearray(old[0][2] if old else b"")
        for of, outcome, n in self._late.get(number, ()):
            set_outcome(packed, of - base, outcome, n - of)
        times = list(old[0][:2]) if old else []
        if block is not None:
            packed += b"".join([ROW.pack(*row) for row in block.rows])
            times += [block.first_t, block.last_t]
        if times:
            self._db.execute(
                "INSERT OR REPLACE INTO block VALUES(?, ?, ?, ?)",
                (number, min(times), max(times), bytes(packed)),
            )

    def _stored(self, table: str, row_id: int) -> list[int]:
        query = f"SELECT terms FROM {table} WHERE id = ?"  # noqa: S608 - one of two names
        rows = fetch(self._db, query, (row_id,))
        return [int(term) for term in rows[0][0].split()]


def rebuild_index(path: Path, key: bytes, files: EventFiles, unsealer: Unsealer) -> int:
    """Make `index.db` anew from the journal; returns the number of events in it.

    For use while nobody else has it open. Raises as `open_database` does, and EvidenceBroken.
    """
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    connection = open_index(path, key)
    try:
        filler = IndexFiller(connection, unsealer)
        end = files.durable_n()
        while filler.index_n < end:
            filler.add(files.events(filler.index_n, min(end, filler.index_n + SLICE_EVENTS)))
        return filler.index_n
    finally:
        connection.close()


def _keep(cache: OrderedDict[Any, int], key: Any, value: int) -> None:
    cache[key] = value
    if len(cache) > _CACHED:
        cache.popitem(last=False)
