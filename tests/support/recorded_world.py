"""Sessions with recordings behind the API: an archive that finds, and what a gateway would keep."""

# ruff: noqa: D102 - the ports say what each method does

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from support.api_world import ALICE, ORDERS, Archive, World
from support.recording_bench import RecordingBench

from gatekeep.domain.events import EventKind, SearchQuery, StoredEvent
from gatekeep.domain.identity import Principal
from gatekeep.domain.sessions import Session, session_code
from gatekeep.gate.supervision import LiveSession
from gatekeep.recordings.chunks import Chunk, Record, Terminal, encode_chunk, pack

T0 = 1_760_000_000_000_000
SHELL = "5e" * 16
STATEMENTS = "77" * 16


class FindingArchive(Archive):
    """Finds by session, kind, principal and target as the index does, actions with their outcome."""

    async def search(self, query: SearchQuery) -> Sequence[StoredEvent]:
        if self.fault is not None:
            raise self.fault
        self.asked.append(query)
        outcomes = {
            event.payload["of"]: event
            for event in self.events
            if event.envelope["k"] == "action.finished" and event.payload
        }
        found = []
        for event in reversed(self.events):
            if event.envelope["k"] == "action.finished":
                continue
            if (query.before_n is None or event.n < query.before_n) and self._matches(event, query):
                end = outcomes.get(event.n)
                if end is not None:
                    event = replace(event, outcome_n=end.n, outcome=end.payload)  # noqa: PLW2901 - the same event, with what became of it
                found.append(event)
        return found[: query.limit]

    def _matches(self, event: StoredEvent, query: SearchQuery) -> bool:
        session_id = event.envelope["s"]
        opened = next((e for e in self.events if e.envelope["s"] == session_id), event)
        values: dict[str, list[Any]] = {
            "session": [session_id, session_code(session_id)],
            "kind": [event.envelope["k"]],
            "principal": [(opened.payload or {}).get("principal")],
            "target": [event.envelope.get("x")],
        }
        return all(
            any(
                str(value).startswith(wanted[:-1]) if wanted.endswith("*") else value == wanted
                for value in values[key]
            )
            for key, wanted in query.terms
        )


class Story:
    """Adds events to a world's archive, one after the other, a millisecond apart."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.shift_us = 0
        # The API holds the archive already, so it learns to find where it stands.
        world.archive.__class__ = FindingArchive

    def add(
        self, session_id: str, kind: str, payload: dict[str, Any], **envelope: Any
    ) -> StoredEvent:
        n = len(self.world.archive.events)
        event = StoredEvent(
            n,
            {"k": kind, "n": n, "s": session_id, "t": T0 + n * 1000 + self.shift_us, "x": "web-1", **envelope},
            payload,
            "OK",
        )
        self.world.archive.add(event)
        return event

    def opened(self, session_id: str, principal: str = "alice", protocol: str = "ssh") -> None:
        self.add(
            session_id,
            "session.opened",
            {
                "principal": principal, "account": "deploy", "database": "", "protocol": protocol,
                "source": "10.1.4.7", "application": "", "read_only": False,
            },
        )  # fmt: skip

    def closed(self, session_id: str, reason: str = "client") -> None:
        self.add(session_id, "session.closed", {"reason": reason, "duration_us": 5_000_000})

    def released(self, session_id: str, text: str, verdict: str = "allow", **more: Any) -> int:
        kind = "action.released" if verdict == "allow" else "action.refused"
        ruled = {"decision": verdict, "rule": "r1", "policy": "7f3a9c2"}
        session = {"principal": "alice", "account": "app", "database": "shop"}
        payload = {"text": text, "class": "read", "session": session, **more}
        return self.add(session_id, kind, payload, g=ruled).n

    def finished(self, session_id: str, of: int, **more: Any) -> None:
        outcome = {"of": of, "outcome": "done", "duration_us": 12_000, "rows": 40, "tag": "SELECT 40"}
        self.add(session_id, "action.finished", outcome | more, r={"of": of})

    def recorded(
        self, session_id: str, records: list[list[Record]], channel: int = 0, *, final: bool = True
    ) -> None:
        """Chunks of a channel, as its recorder makes them."""
        for payload in chunk_payloads(records, channel, final=final):
            self.add(session_id, "recording.chunk", payload)

    def live(self, session_id: str, principal: Principal = ALICE, protocol: str = "ssh") -> list[str]:
        """Register an open session; the list gets the reasons with which it is ended."""
        reasons: list[str] = []
        target = replace(ORDERS, name="web-1")
        session = Session(session_id, principal, target, "deploy", protocol, "10.1.4.7")
        self.world.supervision.register(
            LiveSession(session, _Chain(session_id), 30_000_000_000, reasons.append, 4, 1)
        )
        return reasons

    def record_live(self, session_id: str, channel: int = 0) -> RecordingBench:
        """A recorder of an open session, whose chunks appear in the archive once durable."""
        bench = RecordingBench(auto=True)
        real = bench.journal.append

        def append(stream: Any, kind: EventKind, payload: bytes, **more: bytes) -> Any:
            self.add(session_id, kind.value, json.loads(payload))
            return real(stream, kind, payload, **more)

        bench.journal.append = append  # type: ignore[method-assign] # what is durable is archived
        bench.recorder.channel = channel
        self.world.recordings.register(session_id, channel, bench.recorder)
        return bench


class _Chain:
    def __init__(self, session_id: str) -> None:
        self.session_id = session_id


def chunk_payloads(
    records: list[list[Record]], channel: int = 0, *, final: bool = True
) -> list[dict[str, Any]]:
    """The payloads of chunks that hold these records."""
    found, digest, output, count = [], hashlib.sha256(), 0, 0
    for seq, part in enumerate(records):
        for record in part:
            if record.code in "oe":
                digest.update(record.data)
                output += len(record.data)
        count += len(part)
        chunk = Chunk(
            channel, seq, T0, part[0].at_us if part else 0, part[-1].at_us if part else 0,
            Terminal(80, 24, "xterm"), b"".join(map(pack, part)),
            {"errors": 0, "output": output, "records": count}, digest.hexdigest(),
            final and seq == len(records) - 1,
        )  # fmt: skip
        found.append(json.loads(encode_chunk(chunk)))
    return found


def shell_session(story: Story, session_id: str = SHELL) -> None:
    """A shell of alice that listed files, changed its size, and ended."""
    story.opened(session_id)
    n = story.released(session_id, "ls")
    story.recorded(
        session_id,
        [
            [Record(0, "o", b"$ ls\r\n"), Record(200_000, "m", f"event {n}".encode())],
            [
                Record(400_000, "o", b"caf\xc3\xa9  \x1b[31mred\x1b[0m\r\n"),
                Record(60_000_000, "r", b"100x30"),
                Record(61_000_000, "o", b"$ exit\r\n"),
                Record(61_500_000, "x", b"0"),
            ],
        ],
    )
    story.shift_us += 62_000_000
    story.finished(session_id, n, outcome="done")
    story.closed(session_id)


def statement_session(story: Story, session_id: str = STATEMENTS) -> None:
    """A Postgres session of alice: one statement ran, one failed, one was refused."""
    story.opened(session_id, protocol="postgres")
    n = story.released(session_id, "select * from orders")
    story.finished(session_id, n)
    n = story.released(session_id, "select 1/0")
    story.finished(session_id, n, outcome="failed", sqlstate="22012", message="division by zero")
    story.released(session_id, "drop table\n orders", "deny", cause="policy")
    story.closed(session_id)
