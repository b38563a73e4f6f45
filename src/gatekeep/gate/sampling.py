"""Which matches of adopted rules a person looks at. Pure but for counts in memory: no I/O, no clock.

What is not known here is held. Where samples and counts are kept is the loop's affair.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from gatekeep.domain.likeness import Likeness
from gatekeep.domain.sessions import Session
from gatekeep.domain.suggestions import DAY_US, WEEK_US
from gatekeep.gate.sampling_ports import Draw, DrawKind, OnAfter

FIRST: Final = 10
"""So many matches after a rule comes into force are all samples."""
CANARY_DAYS: Final = 14
"""For so long, unless settings say otherwise, there is a sample on each day that has a match; later
one in each seven days."""
SHARE: Final = 0.05
"""Beside these, this share of all deeds is drawn."""

_THRESHOLD: Final = int(SHARE * 2**64)
_MOST_DEEDS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Counts:
    """What has to outlive a restart, by rule. Times in microseconds UTC, 0 for never."""

    in_force_us: int
    matches: int
    last_sampled_us: int


@dataclass(slots=True)
class _Rule:
    """One rule that is in force, and its deeds of `day`: those still `held` (by whom), those looked at.

    `owing` are the persons who took back one that was held, or got no answer to it.
    """

    in_force_us: int
    matches: int = 0
    last_sampled_us: int = 0
    owed: bool = False
    day: int = -1
    held: dict[bytes, str] = field(default_factory=dict)
    seen: set[bytes] = field(default_factory=set)
    owing: set[str] = field(default_factory=set)

    def turn_to(self, day: int) -> None:
        """Forget the deeds of another day."""
        if day != self.day:
            self.day = day
            self.held, self.seen, self.owing = {}, set(), set()


class Sampler:
    """Implements gate.sampling_ports.SampleBook.

    A deed is one person's doing of one thing (template and values) on one day. In this order:

    1. A rule that is not known: held.
    2. A deed that was held on this day and that nobody has said yes to: held again; and so is every
       other deed of a person of whom one came to nothing, until somebody has said yes to one. So
       who takes back what is held and tries again gains nothing, in whatever other spelling.
    3. One of the first ten matches: a sample.
    4. A deed that was looked at on this day: passes.
    5. No sample yet on this day of the canary, or in seven days after it, or one that came to
       nothing before: a sample. It is always the first match that comes, so no day with matches
       is without one, however few they are.
    6. Any other: a sample where HMAC-SHA256 over rule and deed is below the share. So waiting for
       somebody else to be the day's sample does not make one's own deed free of it, and nobody
       without the key can tell which deeds are.

    Another byte of the same HMAC says of a sample whether it is held or looked at afterwards: half
    of them each. The same deed is drawn alike all day, however often it is tried.
    """

    def __init__(
        self, key: bytes, on_after: OnAfter | None = None, *, canary_days: int = CANARY_DAYS
    ) -> None:
        self._key = key
        self._canary_us = canary_days * DAY_US
        self._rules: dict[str, _Rule] = {}
        self.on_after = on_after
        """Hears of what is looked at afterwards; may be set once the loop is there."""

    # what the loop tells

    def adopt(
        self, rule_id: str, in_force_us: int, matches: int = 0, last_sampled_us: int = 0
    ) -> None:
        """A rule is in force since then, and had so many matches. Again: the higher count stays."""
        known = self._rules.get(rule_id)
        if known is None or known.in_force_us != in_force_us:
            known = self._rules[rule_id] = _Rule(in_force_us)
        known.matches = max(known.matches, matches)
        known.last_sampled_us = max(known.last_sampled_us, last_sampled_us)

    def forget(self, rule_id: str) -> None:
        """A rule is not in force any more: whatever matches it is held."""
        self._rules.pop(rule_id, None)

    def counts(self, rule_id: str) -> Counts | None:
        """What is known of a rule, to be kept and given back to `adopt`; None where nothing is."""
        known = self._rules.get(rule_id)
        if known is None:
            return None
        return Counts(known.in_force_us, known.matches, known.last_sampled_us)

    # what the gate asks

    def draw(self, rules: Sequence[str], person: str, likeness: Likeness, now_us: int) -> Draw:
        """The strictest of the draws for each of these rules."""
        drawn = [self._drawn(rule, person, likeness, now_us) for rule in rules]
        if not drawn:
            return Draw(DrawKind.HELD, "", b"")
        return max(drawn, key=lambda one: _STRICTNESS.index(one.kind))

    def passed(self, draw: Draw, n: int, session: Session, text: str) -> None:
        """Told on, where it is to be looked at."""
        if draw.kind is DrawKind.AFTER and self.on_after is not None:
            self.on_after(draw.rule, n, session, text)

    def answered(self, draw: Draw) -> None:
        """The deed was looked at, and passes for the rest of its day."""
        known = self._rules.get(draw.rule)
        if known is not None and draw.deed in known.held:
            known.owing.discard(known.held.pop(draw.deed))
            known.seen.add(draw.deed)

    def unanswered(self, draw: Draw) -> None:
        """A sample is owed, by whoever did not wait for the answer above all."""
        known = self._rules.get(draw.rule)
        if known is None:
            return
        known.owed = True
        if draw.kind is DrawKind.AFTER:
            known.seen.discard(draw.deed)  # it did not go out, so nobody will look at it
        elif draw.deed in known.held:
            known.owing.add(known.held[draw.deed])

    # inside

    def _drawn(self, rule: str, person: str, likeness: Likeness, now_us: int) -> Draw:
        day = now_us // DAY_US
        digest = self._digest(rule, person, likeness, day)
        deed = digest[16:]
        known = self._rules.get(rule)
        if known is None or now_us < known.in_force_us:
            return Draw(DrawKind.HELD, rule, deed)
        known.turn_to(day)
        full = len(known.held) + len(known.seen) >= _MOST_DEEDS
        if deed in known.held or person in known.owing:
            if not full:
                known.held[deed] = person
            return Draw(DrawKind.HELD, rule, deed)
        known.matches += 1
        if not self._is_sample(known, digest, now_us):
            return Draw(DrawKind.PASS, rule, deed)
        if full:
            return Draw(DrawKind.HELD, rule, deed)
        known.last_sampled_us, known.owed = now_us, False
        kind = DrawKind.AFTER if digest[8] & 1 else DrawKind.HELD
        if kind is DrawKind.AFTER:
            known.seen.add(deed)
        else:
            known.held[deed] = person
        return Draw(kind, rule, deed)

    def _is_sample(self, known: _Rule, digest: bytes, now_us: int) -> bool:
        if known.matches <= FIRST:
            return True
        if digest[16:] in known.seen:
            return False
        if now_us < known.in_force_us + self._canary_us:
            due = known.last_sampled_us // DAY_US != now_us // DAY_US
        else:
            due = now_us - known.last_sampled_us >= WEEK_US
        return due or known.owed or int.from_bytes(digest[:8], "big") < _THRESHOLD

    def _digest(self, rule: str, person: str, likeness: Likeness, day: int) -> bytes:
        """HMAC over rule, deed and day; each part stands behind its length."""
        slots = (part for slot in likeness.slots for part in (slot.type, slot.value))
        parts = ("sample 1", rule, person, str(day), likeness.template, *slots)
        message = b"".join(
            len(data).to_bytes(8, "big") + data
            for data in (part.encode("utf-8", "surrogatepass") for part in parts)
        )
        return hmac.digest(self._key, message, "sha256")


_STRICTNESS: Final = (DrawKind.PASS, DrawKind.AFTER, DrawKind.HELD)
