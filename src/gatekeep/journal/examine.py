"""Checks events one by one: envelopes, ciphertext hashes, commitments, and each session's chain.

Reads no file; `verify_archive` and `verify_spool` bring the bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import orjson

from gatekeep.errors import EvidenceBroken
from gatekeep.journal.encoding import parse_leaf
from gatekeep.journal.report import Fault, Finding
from gatekeep.journal.unsealing import Unsealer

OPENED: Final = "OK"
SEALED: Final = "SEALED"
MISSING: Final = "MISSING"
MISMATCH: Final = "MISMATCH"

_CLOSED: Final = frozenset({"session.closed", "session.aborted"})
_SHAPES_KEPT: Final = 1024


@dataclass(slots=True)
class Link:
    """A session's events within one stretch: where they begin and where they end."""

    first_n: int
    first_q: int
    first_p: str
    next_q: int
    head: bytes
    closed: bool = False


@dataclass(slots=True)
class Stretch:
    """Events without a gap. `gap` says that events before it could not be read."""

    gap: bool = False
    links: dict[str, Link] = field(default_factory=dict)


@dataclass(slots=True)
class Examined:
    """What was found in some consecutive events."""

    stretches: list[Stretch] = field(default_factory=lambda: [Stretch()])
    findings: list[Finding] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    leaves: int = 0


class Examiner:
    """Checks events in order and gathers what it sees in an `Examined`."""

    def __init__(self, origin: str, unsealer: Unsealer | None = None) -> None:
        self._origin = origin
        self._unsealer = unsealer
        self._shapes: set[tuple[object, ...]] = set()
        self.result = Examined()
        self._links = self.result.stretches[0].links

    def gap(self) -> None:
        """Events that come now could not be read."""
        stretch = Stretch(gap=True)
        self.result.stretches.append(stretch)
        self._links = stretch.links

    def leaf(self, n: int, leaf: bytes, digest: bytes, file: str) -> Mapping[str, Any] | None:
        """Check envelope and chain of event `n`; returns the envelope if it can be used."""
        try:
            envelope = orjson.loads(leaf)
            shape = (*envelope, *envelope["y"], *map(type, envelope.values()))
            if shape not in self._shapes:
                parse_leaf(leaf)
                if len(self._shapes) < _SHAPES_KEPT:
                    self._shapes.add(shape)
        except (ValueError, EvidenceBroken, TypeError, AttributeError, KeyError) as error:
            self._wrong(file, f"is not an envelope ({error})", n)
            return None
        self.result.leaves += 1
        if envelope["n"] != n or envelope["o"] != self._origin:
            self._wrong(file, f"says it is event {envelope['n']} of {envelope['o']}", n)
        session, q, previous = envelope["s"], envelope["q"], envelope["p"]
        link = self._links.get(session)
        if link is None:
            link = self._links[session] = Link(n, q, previous, q + 1, digest)
        else:
            if link.next_q != q or link.head.hex() != previous or link.closed:
                self._wrong(file, f"breaks the chain of session {session}", n)
            link.next_q = q + 1
            link.head = digest
        if envelope["k"] in _CLOSED:
            link.closed = True
            self._check_close(n, envelope, file)
        elif q == 0 and previous:
            self._wrong(file, f"is first in session {session} and has a predecessor", n)
        return envelope  # type: ignore[no-any-return] # orjson gives Any

    def payload(
        self, envelope: Mapping[str, Any], ciphertext: bytes, extra: bytes, file: str
    ) -> None:
        """Check the sealed payload of an event against its envelope, and open it with keys."""
        seal = envelope["y"]
        states = self.result.states
        if sha256(ciphertext).hexdigest() != seal["ct"] or len(ciphertext) != seal["len"]:
            states[MISMATCH] += 1
            self._wrong(file, "has another sealed payload than its leaf names", envelope["n"])
            return
        if extra and (envelope["q"] != 0):
            self._wrong(file, "carries a session key and is not first in its session", envelope["n"])
        if self._unsealer is None:
            states[SEALED] += 1
            return
        try:
            opened = self._unsealer.open(envelope, ciphertext, extra)
        except EvidenceBroken as error:
            states[MISMATCH] += 1
            self._wrong(file, error.public, envelope["n"])
            return
        states[SEALED if opened is None else OPENED] += 1
        if opened is None:
            self.result.findings.append(
                Finding(Fault.SEALED, file, "no key opens it and no event allows that", envelope["n"])
            )

    def missing(self, count: int) -> None:
        """Count payloads that are not there."""
        self.result.states[MISSING] += count

    def _check_close(self, n: int, envelope: Mapping[str, Any], file: str) -> None:
        counters = envelope.get("r", {})
        needed = envelope["k"] == "session.closed" or counters
        if needed and (
            counters.get("count") != envelope["q"] or counters.get("head") != envelope["p"]
        ):
            self._wrong(file, "closes its session with a wrong count or head", n)

    def _wrong(self, file: str, what: str, n: int) -> None:
        self.result.findings.append(Finding(Fault.MISMATCH, file, what, n))


class Chains:
    """Joins the stretches of a whole log, in order, into every session's chain."""

    def __init__(self) -> None:
        self._open: dict[str, Link] = {}
        self._closed: set[str] = set()
        self._gap = False

    @property
    def open_sessions(self) -> int:
        """Sessions that have not closed."""
        return len(self._open)

    def join(self, examined: Examined, file: str) -> list[Finding]:
        """Follow these events; returns the breaks between them and what came before."""
        found: list[Finding] = []
        for stretch in examined.stretches:
            self._gap = self._gap or stretch.gap
            for session, link in stretch.links.items():
                broken = self._broken(session, link)
                if broken:
                    found.append(Finding(Fault.MISMATCH, file, broken, link.first_n))
                if link.closed:
                    self._open.pop(session, None)
                    self._closed.add(session)
                else:
                    self._open[session] = link
        return found

    def _broken(self, session: str, link: Link) -> str:
        before = self._open.get(session)
        if session in self._closed:
            return f"session {session} goes on after it was closed"
        if before is None:
            whole = link.first_q == 0 and not link.first_p
            return "" if whole or self._gap else f"session {session} does not begin at its beginning"
        if link.first_q == before.next_q and link.first_p == before.head.hex():
            return ""
        if self._gap and link.first_q > before.next_q:
            return ""
        return f"the chain of session {session} is broken"
