"""Builds spools of real, sealed events without a gateway: for tests of what reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gatekeep.journal.archive import Archivist
from gatekeep.journal.checkpoint import CheckpointSigner, VerifierKey
from gatekeep.journal.encoding import (
    LeafStream,
    canonical_json,
    encode_leaf,
    encode_record,
    leaf_hash,
)
from gatekeep.journal.frames import encode_header
from gatekeep.journal.keys import KeyRing
from gatekeep.journal.logkey import vkey_of
from gatekeep.journal.sealing import RandomPool, SessionSealer, associated_data
from gatekeep.journal.spool import Acked, AckedCursor, segment_path

ORIGIN = "example.org/gatekeep/test"
T0_US = 1_700_000_000_000_000


@dataclass
class MemoryKeys:
    """A WrappedKeys that remembers."""

    subjects: dict[str, bytes] = field(default_factory=dict)
    sessions: dict[str, bytes] = field(default_factory=dict)

    def subject_key(self, person: str) -> bytes | None:
        """The wrapped key of a person."""
        return self.subjects.get(person)

    def subject_key_by_id(self, key_id: bytes) -> bytes | None:
        """The wrapped key with this id."""
        return next((key for key in self.subjects.values() if key.startswith(key_id)), None)

    def put_subject_key(self, person: str, wrapped: bytes) -> None:
        """Remember it."""
        self.subjects[person] = wrapped

    def session_key(self, session_id: str) -> bytes | None:
        """The wrapped key of a session."""
        return self.sessions.get(session_id)

    def put_session_key(self, session_id: str, wrapped: bytes) -> None:
        """Remember it."""
        self.sessions[session_id] = wrapped


@dataclass
class BuiltSession:
    """One session being built."""

    id: str
    stream: LeafStream
    sealer: SessionSealer
    extra: bytes
    q: int = 0
    previous: str = ""


class SpoolBuilder:
    """Appends events to a spool as the writer would: whole batches, then the acked cursor."""

    def __init__(self, journal: Path, *, segment_bytes: int = 1 << 20) -> None:
        self.journal = journal
        self.spool = journal / "spool"
        self.spool.mkdir(parents=True)
        self.segment_bytes = segment_bytes
        self.ring = KeyRing(bytes(range(32)))
        self.keys = MemoryKeys()
        self.signing_key = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
        public = self.signing_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.vkey_text = vkey_of(ORIGIN, public)
        self.vkey = VerifierKey.parse(self.vkey_text)
        self.n = 0
        self.batch = 0
        self.waiting: list[bytes] = []
        self.waiting_n = 0
        self._pool = RandomPool()
        self._offset = 0
        self._segment = 0
        AckedCursor.create(self.spool)
        self.cursor = AckedCursor(self.spool, writable=True)
        self._begin_segment()

    def signer(self) -> CheckpointSigner:
        """Signs with this log's key."""
        return CheckpointSigner(ORIGIN, self.signing_key)

    def archivist(self) -> Archivist:
        """A fresh archivist over this journal."""
        return Archivist(self.journal, self.signer(), self.keys.put_session_key)

    def session(self, number: int, person: str = "alice", target: str = "orders") -> BuiltSession:
        """Begin a session's chain; append its first event yourself."""
        session_id = session_id_of(number)
        key, extra = self.ring.new_session_key(session_id, person, self.keys)
        stream = LeafStream.of(boot="b" * 32, origin=ORIGIN, session_id=session_id, target=target)
        return BuiltSession(session_id, stream, SessionSealer(key, self._pool), extra)

    def append(
        self, session: BuiltSession, kind: str, payload: object,
        *, decision: dict[str, object] | None = None, counters: dict[str, object] | None = None,
    ) -> int:
        """Append one event to the batch that waits; returns its index."""
        n = self.n + len(self.waiting)
        ciphertext, commitment, sealed_hash = session.sealer.seal(
            session.q, associated_data(ORIGIN, n, kind), orjson.dumps(payload)
        )
        leaf = encode_leaf(
            session.stream, kind=kind.encode(), n=n, q=session.q,
            previous=session.previous.encode(), monotonic_ns=n * 1000, wall_us=T0_US + n * 1000,
            decision=canonical_json(decision) if decision else b"",
            counters=canonical_json(counters) if counters else b"",
            commitment=commitment, ciphertext_hash=sealed_hash, length=len(ciphertext),
        )
        self.waiting.append(encode_record(leaf, ciphertext, b"" if session.q else session.extra))
        session.q += 1
        session.previous = leaf_hash(leaf).hex()
        return n

    def close(self, session: BuiltSession) -> int:
        """Append `session.closed` with its count and head."""
        return self.append(
            session, "session.closed", {"reason": "client"},
            counters={"count": session.q, "head": session.previous},
        )

    def commit(self, *, acked: bool = True) -> None:
        """Write the waiting events as one batch, in a new segment if this one is full."""
        if not self.waiting:
            return
        body = b"".join(self.waiting)
        frame = encode_header(self.batch + 1, body) + body
        if self._offset + len(frame) > self.segment_bytes:
            self._segment, self._offset = self.n, 0
            self._begin_segment()
        with segment_path(self.spool, self._segment).open("r+b") as file:
            file.seek(self._offset)
            file.write(frame)
        self._offset += len(frame)
        self.batch += 1
        self.n += len(self.waiting)
        self.waiting.clear()
        if acked:
            self.cursor.move(Acked(self.batch, self.n))

    def statements(
        self, session: BuiltSession, count: int, *, template: str = "select * from t where id = $1",
        tables: tuple[str, ...] = ("public.t",), decision: str = "allow", batch: int = 16,
    ) -> None:
        """`count` statements with their outcomes, committed in batches of `batch` statements."""
        for number in range(count):
            text = template.replace("$1", str(self.n + number))
            n = self.append(
                session, "action.released",
                released_payload(text, template, tables=tables, decision=decision),
                decision={"decision": decision, "policy": "0123456789ab", "rule": "readers"},
            )
            self.append(
                session, "action.finished",
                {"of": n, "outcome": "done", "tag": "SELECT 1", "rows": 1, "duration_us": 900},
                counters={"of": n},
            )
            if number % batch == batch - 1:
                self.commit()
        self.commit()

    def _begin_segment(self) -> None:
        with segment_path(self.spool, self._segment).open("wb") as file:
            file.truncate(self.segment_bytes)


def session_id_of(number: int) -> str:
    """The id that the builder gives to a session."""
    return f"{number:08x}" * 4


def released_payload(
    text: str, template: str, *, tables: tuple[str, ...] = (), decision: str = "allow"
) -> dict[str, object]:
    """A payload in the shape (and order) that the gate writes."""
    return {
        "class": "read", "columns": [], "functions": [], "statements": 1,
        "tables_read": list(tables), "tables_written": [], "tags": ["bulk"],
        "template": template, "unproven": "", "verb": "select", "where": ["present"],
        "decision": {"verdict": decision, "rule": "readers", "policy": "0123456789ab"},
        "mode": "simple",
        "request": {"action": "sql.read", "context": {"tables": list(tables)}},
        "session": {"account": "app_rw", "database": "shop", "principal": "alice"},
        "text": text,
    }


def opened_payload(principal: str = "alice", account: str = "app_rw") -> dict[str, object]:
    """What `session.opened` says."""
    return {
        "principal": principal, "person": principal, "groups": ["dev"], "account": account,
        "database": "shop", "source": "127.0.0.1", "application": "psql",
    }
