"""Fills `index.db` from the journal, in slices; runs in the archivist's process.

Costs are counted per event: whatever repeats (the facts of a shape, a session) is read once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import apsw
import orjson

from gatekeep.domain.sessions import session_code
from gatekeep.errors import EvidenceBroken
from gatekeep.journal.reading import EventFiles, Held
from gatekeep.journal.unsealing import Unsealer
from gatekeep.stores.sqlite.index import BLOCK_SHIFT, TERM_CHARACTERS, fetch, open_index

SLICE_EVENTS: Final = 8192
_CACHED: Final = 50_000
_TEXT_CHARACTERS: Final = 65_536
_ENDED: Final = frozenset({"action.finished", "action.unknown"})
_ACTIONS: Final = frozenset({"action.released", "action.refused"})
_MODE: Final = b'"mode":"'
_TEXT: Final = b',"text":"'


class _Block:
    """What one slice adds to one block."""

    __slots__ = ("first_n", "first_t", "last_t", "sessions", "shapes", "terms", "texts")

    def __init__(self, n: int, t: int) -> None:
        self.first_n = n
        self.first_t = t
        self.last_t = t
        self.terms: set[int] = set()
        self.shapes: set[int] = set()
        self.sessions: set[int] = set()
        self.texts: set[str] = set()


class IndexFiller:
    """Adds events in order. `index_n` is the first event that is not in the index."""

    def __init__(self, connection: apsw.Connection, unsealer: Unsealer) -> None:
        self._db = connection
        self._unsealer = unsealer
        self._terms: dict[tuple[str, str], int] = {}
        self._shapes: OrderedDict[tuple[str, bytes], int] = OrderedDict()
        self._sessions: OrderedDict[str, int] = OrderedDict()
        self._terms_of_shape: dict[int, list[int]] = {}
        self._terms_of_session: dict[int, list[int]] = {}
        self._blocks: dict[int, _Block] = {}
        self._rows: dict[int, list[Any]] = {}
        self._late: list[tuple[int, int, int]] = []
        self.index_n = int(fetch(connection, "SELECT index_n FROM progress")[0][0])

    def add(self, events: Iterable[Held]) -> int:
        """Index these events (which must go on at `index_n`) in one transaction; returns how many."""
        begun = self.index_n
        with self._db:
            for held in events:
                self._one(held)
                self.index_n = held.n + 1
            self._flush()
        return self.index_n - begun

    def _one(self, held: Held) -> None:
        envelope = orjson.loads(held.leaf)
        if envelope["n"] != self.index_n or envelope["n"] != held.n:
            raise EvidenceBroken(f"event {held.n} is not in its place")
        try:
            payload = self._unsealer.peek(envelope, held.ciphertext, held.extra)
        except EvidenceBroken:
            payload = None  # an event that does not open is still there; verify names it
        kind = envelope["k"]
        if kind in _ENDED:
            self._outcome(held.n, kind, envelope, payload)
        else:
            self._event(held.n, kind, envelope, payload or b"{}")

    def _event(self, n: int, kind: str, envelope: Mapping[str, Any], payload: bytes) -> None:
        t = envelope["t"]
        cut = payload.find(_MODE) if kind in _ACTIONS else -1
        session = self._sessions.get(envelope["s"])
        shape = self._shapes.get((kind, payload[:cut])) if cut > 0 else None
        text = _text_of(payload) if cut > 0 else ""
        if session is None or shape is None:
            parsed = orjson.loads(payload)
            text = str(parsed.get("text", ""))
            if session is None:
                session = self._session(envelope, parsed)
            if shape is None:
                shape = self._shape((kind, payload[:cut] if cut > 0 else payload), envelope, parsed)
        number = n >> BLOCK_SHIFT
        block = self._blocks.get(number)
        if block is None:
            block = self._blocks[number] = _Block(n, t)
        elif t > block.last_t:
            block.last_t = t
        elif t < block.first_t:
            block.first_t = t
        kind_term = self._term("kind", kind)
        block.terms.add(kind_term)
        block.shapes.add(shape)
        block.sessions.add(session)
        if text:
            block.texts.add(text[:_TEXT_CHARACTERS])
        self._rows[n] = [n, t, kind_term, shape, session, None, None]

    def _outcome(
        self, n: int, kind: str, envelope: Mapping[str, Any], payload: bytes | None
    ) -> None:
        """Join what became of an action to the action's row."""
        of = envelope.get("r", {}).get("of")
        if not isinstance(of, int) or not 0 <= of < n:
            self._event(n, kind, envelope, payload or b"{}")
            return
        word = "unknown"
        if kind == "action.finished" and payload is not None:
            # the member is ours and its value one of a few words: no need to parse the rest
            at = payload.find(b'"outcome":"')
            word = payload[at + 11 : payload.find(b'"', at + 11)].decode() if at >= 0 else word
        outcome, ended = self._term("outcome", word), self._term("kind", kind)
        row = self._rows.get(of)
        if row is not None:
            row[5], row[6] = outcome, n
            self._blocks[of >> BLOCK_SHIFT].terms.update((outcome, ended))
        else:
            self._late.append((of, outcome, n))
            block = self._blocks.get(of >> BLOCK_SHIFT)
            if block is None:
                rows = [(outcome, of >> BLOCK_SHIFT), (ended, of >> BLOCK_SHIFT)]
                self._db.executemany("INSERT OR IGNORE INTO posting VALUES(?, ?)", rows)
            else:
                block.terms.update((outcome, ended))

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
        rows = fetch(
            self._db, "SELECT id, terms FROM session WHERE session_id = ?", (session_id,)
        )
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
        self, key: tuple[str, bytes], envelope: Mapping[str, Any], payload: Mapping[str, Any]
    ) -> int:
        known = self._shapes.get(key)
        if known is not None:
            return known
        terms = sorted({self._term(*pair) for pair in _pairs(envelope, payload)})
        self._db.execute("INSERT INTO shape(terms) VALUES(?)", (" ".join(map(str, terms)),))
        shape = self._db.last_insert_rowid()
        _keep(self._shapes, key, shape)
        self._terms_of_shape[shape] = terms
        return shape

    def _flush(self) -> None:
        db = self._db
        db.executemany("INSERT INTO event VALUES(?, ?, ?, ?, ?, ?, ?)", self._rows.values())
        db.executemany(
            "UPDATE event SET outcome = ?2, outcome_n = ?3 WHERE n = ?1", self._late
        )
        for number, block in self._blocks.items():
            terms = block.terms
            for shape in block.shapes:
                terms.update(self._terms_of_shape.get(shape) or self._stored("shape", shape))
            for session in block.sessions:
                terms.update(self._terms_of_session.get(session) or self._stored("session", session))
            db.executemany(
                "INSERT OR IGNORE INTO posting VALUES(?, ?)", [(term, number) for term in terms]
            )
            db.execute(
                "INSERT INTO block VALUES(?1, ?2, ?3) ON CONFLICT(block) DO UPDATE SET"
                " first_t = min(first_t, ?2), last_t = max(last_t, ?3)",
                (number, block.first_t, block.last_t),
            )
            if block.texts:
                db.execute(
                    "INSERT INTO words(rowid, text) VALUES(?, ?)",
                    (block.first_n, "\n".join(block.texts)),
                )
        db.execute("UPDATE progress SET index_n = ?", (self.index_n,))
        self._rows = {}
        self._late = []
        self._blocks = {}
        if len(self._terms_of_shape) > _CACHED or len(self._terms_of_session) > _CACHED:
            self._terms_of_shape.clear()
            self._terms_of_session.clear()

    def _stored(self, table: str, row_id: int) -> list[int]:
        rows = fetch(
            self._db,
            f"SELECT terms FROM {table} WHERE id = ?",  # noqa: S608 - one of two names
            (row_id,),
        )
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


def _text_of(payload: bytes) -> str:
    """The `text` member, which is the last one of an action's payload; empty if it is not."""
    at = payload.rfind(_TEXT)
    if at < 0 or not payload.endswith(b'"}'):
        return str(orjson.loads(payload).get("text", ""))
    raw = payload[at + len(_TEXT) : -2]
    if b"\\" in raw:
        return str(orjson.loads(b'"' + raw + b'"'))
    return raw.decode()


def _pairs(envelope: Mapping[str, Any], payload: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Search keys of an event, other than those of its session, kind and outcome."""
    decision = payload.get("decision")
    ruled = envelope.get("g", {})
    if isinstance(decision, dict):
        ruled = {"decision": decision.get("verdict", ""), "rule": decision.get("rule", "")} | ruled
    pairs = [("decision", ruled.get("decision")), ("rule", ruled.get("rule"))]
    pairs += [(key, payload.get(key)) for key in ("class", "template", "request", "outcome")]
    for key, members in (
        ("tag", ("tags",)), ("table", ("tables_read", "tables_written")),
    ):
        for member in members:
            names = payload.get(member)
            pairs += [(key, name) for name in names] if isinstance(names, list) else []
    if not envelope["k"].startswith("action."):
        pairs += [(key, payload.get(key)) for key in ("principal", "account", "target")]
    tables = [value for key, value in pairs if key == "table" and isinstance(value, str)]
    pairs += [("table", name.rpartition(".")[2]) for name in tables]
    return [(key, value) for key, value in pairs if isinstance(value, str) and value]
