"""Reads a running gateway's journal for the feedback loop: verified, opened, gathered.

Synchronous, for a process of its own; meanwhile another one verifies the same events. What is no
evidence is not opened, and what is like something before is only counted.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from hashlib import blake2b, sha256
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gatekeep.domain.events import StoredEvent
from gatekeep.errors import EvidenceBroken
from gatekeep.feedback.deeds import Evidence
from gatekeep.feedback.evidence import WANTED, Collector
from gatekeep.feedback.exclusions import YOUNG_US
from gatekeep.feedback.passes import Tally
from gatekeep.journal.archive import SIGNED_NAME
from gatekeep.journal.onward import Known, Onward, verify_onward
from gatekeep.journal.reading import EventFiles, Held
from gatekeep.journal.sealing import NONCE_BYTES, SALT_BYTES, SessionSealer
from gatekeep.journal.unsealing import Unsealer
from gatekeep.messages.web import lasting

LAG_US: Final = 3_600_000_000
"""For longer than this nothing may stay unsigned."""

_NOTHING_SIGNED: Final = "nothing is signed yet: is the archivist running?"
_APART_FROM: Final = 4096  # events that are worth starting a process for
_KNOWN_LIKE: Final = 65_536
_LIKE_BYTES: Final = 16
_KNOWN_SESSIONS: Final = 20_000
_SESSION_CHARACTERS: Final = 32
_LEAF: Final = re.compile(
    rb'\{"b":"[^"]*",(?:"g":\{[^{}]*\},)?"k":"action\.(?:(released)|finished)","m":\d+,"n":\d+,"o":"[^"]*",'
    rb'"p":"[^"]*","q":(\d+),(?:"r":\{"of":(\d+),"outcome":"(\w+)"\},)?"s":"(\w{32})","t":(\d+),'
)
"""The leaf of an action that went out, or of how it ended, as it usually is: canonical JSON of ours."""

_MODE: Final = b'"mode":"'
_SSH: Final = b'{"assurance":"'


class _Opener(NamedTuple):
    """What opens a session's events, and the origin of its log."""

    sealer: SessionSealer
    origin: bytes


class EventTaker:
    """Feeds a collector from events as they are stored.

    Outcomes, and released actions that are like one before, take a short way: single members are cut
    out of leaf and payload, which are ours and canonical (a quote inside a JSON string is always
    escaped, so `"mode":"` can only begin a member). Whatever looks unusual is parsed. `opened`
    counts payloads that were opened and `parsed` those that were read whole; `broken` names the
    first event that did not open with its key.
    """

    def __init__(self, collector: Collector, unsealer: Unsealer) -> None:
        self.collector = collector
        self.opened = 0
        self.parsed = 0
        self.broken = ""
        self._unsealer = unsealer
        self._sessions: dict[bytes, _Opener] = {}
        self._alike: dict[bytes, Tally] = {}

    def take(self, events: Iterable[Held]) -> None:
        """Take the next events. Raises EvidenceBroken if one is not in its place."""
        collector = self.collector
        expected = collector.next_n
        for held in events:
            if held.n != expected:
                raise EvidenceBroken(f"event {held.n} is not in its place")
            found = _LEAF.match(held.leaf)
            if found is None or held.extra:
                self._whole(held)
            else:
                released, q, of, outcome, session, at_us = found.groups()
                if released:
                    if not self._released(held, session, int(q), int(at_us)):
                        self._whole(held)
                elif of is None:
                    self._whole(held)
                else:
                    collector.seen(held.n, int(at_us))
                    collector.finished(int(of), outcome.decode())
            expected += 1

    def _released(self, held: Held, session: bytes, q: int, at_us: int) -> bool:
        """An action of a known session that is like one before, and passed as that one did."""
        opener = self._sessions.get(session)
        if opener is None:
            return False
        sealed = held.ciphertext
        try:
            plain = AESGCM(opener.sealer.event_key(q)).decrypt(
                sealed[:NONCE_BYTES], sealed[NONCE_BYTES:],
                b"%b|%d|action.released" % (opener.origin, held.n),
            )  # fmt: skip
        except InvalidTag:
            return False
        self.opened += 1
        like = likeness_key(plain)
        if like is None:
            return False
        tally = self._alike.get(like)
        if tally is not None:
            self.collector.passed_again(tally, held.n, at_us)
            return True
        envelope = orjson.loads(held.leaf)
        if sha256(plain).hexdigest() != envelope["y"]["com"]:
            return False  # which then says so
        tally = self.collector.passed_alike(self._event(held.n, envelope, plain[SALT_BYTES:]))
        if tally is not None:
            if len(self._alike) >= _KNOWN_LIKE:
                self._alike.clear()
            self._alike[like] = tally
        return True

    def _whole(self, held: Held) -> None:
        """Any event, by parsing its envelope, and its payload if that may be evidence."""
        envelope = orjson.loads(held.leaf)
        payload = None
        if envelope["k"] in WANTED or held.extra:
            try:
                payload = self._unsealer.open(envelope, held.ciphertext, held.extra)
            except EvidenceBroken as error:
                self.broken = self.broken or f"event {held.n}: {error.public}"
            self.opened += payload is not None
            self._remember(envelope["s"], envelope["o"])
        self.collector.feed(self._event(held.n, envelope, payload))

    def _event(
        self, n: int, envelope: Mapping[str, Any], payload: bytes | None
    ) -> StoredEvent:
        self.parsed += payload is not None
        value = orjson.loads(payload) if payload is not None else None
        if value is not None and not isinstance(value, dict):
            raise EvidenceBroken("a payload is not an object")
        return StoredEvent(n, envelope, value, "OK" if payload is not None else "SEALED")

    def _remember(self, session: str, origin: str) -> None:
        """From now on this session's actions may take the short way."""
        sealer = self._unsealer.sealer(session)
        if sealer is not None and len(session) == _SESSION_CHARACTERS and session.isalnum():
            if len(self._sessions) >= _KNOWN_SESSIONS:
                self._sessions.clear()
            self._sessions[session.encode()] = _Opener(sealer, origin.encode())


def likeness_key(plain: bytes) -> bytes | None:
    """What two released actions have in common that count as one; None where it is not found.

    The facts and the decision, and who acts where by what right: the request without its source and
    time. Over SSH the text belongs to it, too; of a statement its template stands among the facts.
    Given as a hash of it, because many are kept; JSON holds no zero bytes, so they part it.
    """
    cut = plain.find(_MODE, SALT_BYTES)
    request = plain.find(b'"request":{', cut)
    source = plain.find(b'"source":"', request)
    after = plain.find(b'"', source + 10)
    session = plain.find(b',"session":{', after)
    if min(cut, request, source, after, session) < 0:
        return None
    moment = plain.find(b',"time":{', after, session)
    end = moment if moment > 0 else session
    text = plain.rfind(b',"text":"', session) if plain.startswith(_SSH, SALT_BYTES) else len(plain)
    if text < 0:
        return None
    parts = (plain[SALT_BYTES:cut], plain[request:source], plain[after:end], plain[text:])
    return blake2b(b"\0".join(parts), digest_size=_LIKE_BYTES).digest()


class JournalWitness:
    """What the journal testifies, as evidence.

    `unsealer` is for it alone. `vkeys` are the log's public keys, as `log.vkey` holds them. `most_n`
    stops reading there (0: never).
    """

    def __init__(
        self, journal: Path, unsealer: Unsealer, vkeys: Sequence[str],
        *, young_us: int = YOUNG_US, most_n: int = 0,
    ) -> None:  # fmt: skip
        self._journal = journal
        self._vkeys = tuple(vkeys)
        self._young_us = young_us
        self._most_n = most_n
        self._files = EventFiles(journal)
        self._taker = EventTaker(Collector(), unsealer)
        self._known = Known()

    def close(self) -> None:
        """Let go of the files."""
        self._files.close()

    def read(self, now_us: int) -> Evidence:
        """Read on to what is durable now. Never raises for what is wrong with the journal.

        The evidence then says that it is not verified, and why. `now_us` is the moment of it.
        """
        collector = self._taker.collector
        wrong, broken, signed, end = "", False, 0, collector.next_n
        try:
            end = self._files.durable_n()
            if self._most_n:
                end = min(end, self._most_n)
            if not self._known.events and not (self._journal / SIGNED_NAME).exists():
                return self._evidence(now_us, _NOTHING_SIGNED)
            onward = self._beside_each_other(collector.next_n, end)
            wrong, signed = "; ".join(onward.wrong), onward.signed
            if end < collector.next_n:
                wrong = f"the journal goes back from event {collector.next_n} to {end}"
            if not wrong and not onward.unread and onward.end < end:
                wrong = f"only {onward.end} of {end} events could be verified"
            wrong = wrong or self._taker.broken
            broken = bool(wrong)
            wrong = wrong or onward.unread or self._lag(signed, end, now_us)
        except EvidenceBroken as error:
            wrong, broken = error.public, True
        except OSError as error:
            wrong = self._not_read(error)
        return self._evidence(now_us, wrong, broken=broken)

    def _not_read(self, error: OSError) -> str:
        return f"{error.filename or self._journal}: {error.strerror}"

    def _evidence(self, now_us: int, wrong: str, *, broken: bool = False) -> Evidence:
        evidence = self._taker.collector.evidence(
            now_us, verified=not wrong, young_us=self._young_us
        )
        return replace(evidence, unverified=wrong, broken=broken)

    def _beside_each_other(self, first: int, end: int) -> Onward:
        """Read events [first, end) here while they are verified there.

        There is a second look where the first may have met files on the move, or was killed. What
        could not be read here takes nothing from what was found there.
        """
        fresh, unread = end - self._known.events, ""
        with _beside(fresh) as pool:
            found = pool.submit(verify_onward, self._journal, self._vkeys, self._known)
            try:
                self._taker.take(self._files.events(first, end))
            except OSError as error:
                unread = self._not_read(error)
        onward = _outcome(found)
        if onward is None or onward.wrong or onward.unread:
            with _beside(fresh) as pool:
                found = pool.submit(verify_onward, self._journal, self._vkeys, self._known)
            onward = _outcome(found)
        if onward is None:
            return Onward(self._known, unread="what verifies it was killed")
        if not onward.wrong and not onward.unread:
            self._known = onward.known
        return replace(onward, unread=onward.unread or unread)

    def _lag(self, signed: int, end: int, now_us: int) -> str:
        """Whether what is not signed yet has waited for too long."""
        if signed >= end:
            return ""
        first = next(iter(self._files.events(signed, signed + 1)))
        waited = now_us - int(orjson.loads(first.leaf)["t"])
        if waited <= LAG_US:
            return ""
        return f"event {signed} is not signed after {lasting(waited / 1_000_000)}: is the archivist running?"


def _outcome(found: Future[Onward]) -> Onward | None:
    """What was found, or None where whoever looked died."""
    return found.result() if found.exception() is None else None


@contextmanager
def _beside(events: int) -> Iterator[Executor]:
    """Where to verify: in another process if there is much to do, else right here."""
    if events < _APART_FROM:
        with ThreadPoolExecutor(1) as thread:
            yield thread
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=_end_with_parent) as process:
        yield process


def _end_with_parent() -> None:
    """Whoever is killed cannot end what it started: so this process watches it, and ends with it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_await_end, args=(parent.sentinel,), daemon=True).start()


def _await_end(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
