"""The index finds actions over SSH as the gate writes them: by tag, word, outcome and kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.spool_builder import T0_US, SpoolBuilder, opened_payload

from gatekeep.domain.commands import Assurance, CommandFacts, SshAction
from gatekeep.domain.decisions import Decision, Verdict
from gatekeep.domain.events import EventKind
from gatekeep.gate.command_evidence import UNPERMITTED, command_payload, unpermitted_payload
from gatekeep.gate.ports import Judgement
from gatekeep.journal.query import parse_query
from gatekeep.journal.reading import EventFiles
from gatekeep.journal.unsealing import Unsealer
from gatekeep.stores.sqlite.index import SearchIndex, open_index
from gatekeep.stores.sqlite.indexing import IndexFiller

ALICE = orjson.dumps({"account": "root", "database": "", "principal": "alice"})
JUDGED = Judgement(
    Decision(Verdict.ALLOW, "all", "", "0123456789ab"),
    b"{}",
    b'{"rule":"all","verdict":"allow"}',
    b'{"decision":"allow","policy":"0123456789ab","rule":"all"}',
)
OTHERS = [
    kind.value for kind in EventKind
    if kind.value.startswith(("channel.", "line.", "opaque.", "hostkey.", "gate.", "recording."))
]  # fmt: skip


def line(text: str, *tags: str, **details: Any) -> dict[str, Any]:
    """A line of a shell as the gate writes it; equal texts have equal digests."""
    action = SshAction(
        "line", text, (CommandFacts("ssh.line", "rm", tags=frozenset({"writes"})),), text, "d" * 64,
        Assurance.INFERRED, tags=frozenset(tags), details=details,
    )  # fmt: skip
    written: dict[str, Any] = orjson.loads(command_payload(action, JUDGED, ALICE))
    return written


class World:
    """A session of alice's, and the index over it, filled in as many slices as a test likes."""

    def __init__(self, directory: Path) -> None:
        self.builder = SpoolBuilder(directory / "journal")
        self.session = self.builder.session(1)
        self.builder.append(self.session, "session.opened", opened_payload())
        self.builder.commit()
        files = EventFiles(self.builder.journal)
        self._files = files
        self._path = directory / "index.db"
        self._filler_db = open_index(self._path, bytes(32))
        self._filler = IndexFiller(self._filler_db, Unsealer(self.builder.ring, self.builder.keys))
        self.fill()

    def append(self, kind: str, payload: object, **more: Any) -> int:
        """One event more."""
        return self.builder.append(self.session, kind, payload, **more)

    def fill(self) -> None:
        """Index what there is."""
        self.builder.commit()
        self._filler.add(self._files.events(self._filler.index_n, self._files.durable_n()))

    def found(self, query: str) -> list[int]:
        """Hits, oldest first."""
        index = SearchIndex(open_index(self._path, bytes(32)))
        hits = [hit.n for hit in index.hits(parse_query(query, now_us=T0_US + 10_000_000))]
        index.close()
        return sorted(hits)

    def close(self) -> None:
        """Close files and databases."""
        self._files.close()
        self._filler_db.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An open session."""
    made = World(tmp_path)
    yield made
    made.close()


def test_actions_of_one_text_keep_their_own_tags(world: World) -> None:
    """The same line, once shown and once typed unseen: each is found by its own tags alone."""
    plain = world.append("action.released", line("rm x"))
    hidden = world.append("action.released", line("rm x", "hidden_input", hidden_bytes=4))
    world.fill()
    assert world.found("tag:hidden_input") == [hidden]
    assert world.found("tag:writes class:ssh.line") == [plain, hidden]


def test_words_are_those_of_the_text_alone(world: World) -> None:
    """Names of what stands beside a text are no words of it, also on the short way of known shapes."""
    for number in range(3):
        world.append("action.released", line(f"rm needle{number}", pty="xterm-in-details"))
        world.fill()
    assert len(world.found("needle2")) >= 1
    assert world.found("session xterm") == []
    assert world.found("pty") == []


def test_text_is_last_and_whatever_is_searched_stands_before_mode() -> None:
    """The index's short way reads payloads by these places."""
    written = line("rm x", "hidden_input", hidden_bytes=4)
    names = list(written)
    assert names[-1] == "text"
    assert {"class", "decision", "tags", "verb"} <= set(names[: names.index("mode")])
    assert not {"digest", "commands", "request"} & set(names[: names.index("mode")])


@pytest.mark.parametrize("together", [True, False], ids=["one slice", "late"])
def test_what_was_lost_is_told_from_what_ended_unknown(world: World, together: bool) -> None:
    """`action.unknown` is found by its kind; an outcome `unknown` is found with either."""
    lost = world.append("action.released", line("rm lost"))
    ended = world.append("action.released", line("rm ended"))
    done = world.append("action.released", line("rm done"))
    if not together:
        world.fill()
    world.append("action.unknown", {"of": lost, "cause": "x"}, counters={"of": lost})
    for n, outcome in ((ended, "unknown"), (done, "done")):
        world.append(
            "action.finished", {"of": n, "outcome": outcome}, counters={"of": n, "outcome": outcome}
        )
    world.fill()
    assert world.found("kind:action.unknown") == [lost]
    assert world.found("kind:action.finished") == [ended, done]
    assert world.found("outcome:unknown") == [lost, ended]
    assert world.found("kind:action.unknown outcome:unknown class:ssh.line") == [lost]
    assert world.found("kind:action.*") == [lost, ended, done]


def test_what_no_rule_permits_is_found_as_denied(world: World) -> None:
    """By class, decision, person, target and word."""
    payload = orjson.loads(unpermitted_payload("tunnel", "no tunnel leads to x", "destination", ALICE))
    n = world.append("action.refused", payload, decision=orjson.loads(UNPERMITTED))
    world.fill()
    assert world.found("decision:deny class:tunnel.open principal:alice") == [n]
    assert n in world.found("leads")


@pytest.mark.parametrize("kind", OTHERS)
def test_events_beside_actions_are_found_by_kind_and_session(world: World, kind: str) -> None:
    """Their bytes and facts are no words of the index."""
    n = world.append(kind, {"channel": 1, "codec": "ends", "data": "needle", "what": "needle"})
    world.fill()
    assert world.found(f"kind:{kind} principal:alice") == [n]
    assert world.found(f"kind:{kind} needle") == []
