"""The ports of the loop: what its faces (command line, pages, API, digest) may ask of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gatekeep.domain.identity import Principal
from gatekeep.domain.suggestions import (
    Backtest,
    Sample,
    SampleAnswer,
    SuggestionLife,
    SuggestionState,
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants of a suggestion.

    `reason` is his word, `via` the door, `mfa` whether a second factor was shown for it. `narrower`:
    the narrower form instead of the proposed one. `seen` is the digest (`seen.seen_digest`) of what
    he was shown, empty where the door shows nothing: another one is refused.
    """

    reason: str
    via: str
    mfa: bool = False
    narrower: bool = False
    seen: str = ""


@dataclass(frozen=True, slots=True)
class CameTo:
    """What came of it.

    `counted` is false where nothing changed, and `refusal` says in a word why: `late`, `mfa`, `self`
    (he benefits most from it), `twice` (the same person again), `rights`, `state`, `reason`,
    `digest` (it is not any more what he was shown). `words` are for people.
    """

    life: SuggestionLife
    counted: bool
    words: str
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class RunReport:
    """What one run of the loop did. `stopped` says why nothing was suggested, empty if it went on."""

    read: int
    seconds: float
    proposed: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    reverted: tuple[str, ...] = ()
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """How long each part of an adopted suggestion's life lasts, in days, and the hits that end its trial."""

    shadow_days: int = 7
    shadow_hits: int = 20
    canary_days: int = 14
    verify_days: int = 30
    expires_days: int = 90


class Suggestions(Protocol):
    """The suggestions of one gateway. Every change is an event that is durable before it counts.

    Whether a principal may do so is asked of the policy (`suggestion.accept`, `policy.read`) by the
    face; who may accept this very one is decided here. Raises KeyError for an unknown id (ids may be
    shortened while unique), JournalUnavailable.
    """

    async def suggestions(
        self, states: Sequence[SuggestionState] = ()
    ) -> Sequence[SuggestionLife]:
        """All, or those in these states: the most saving first, what is over last."""

    async def suggestion(self, suggestion_id: str) -> SuggestionLife:
        """One of them, by its id or a unique beginning of it."""

    def needed(self, life: SuggestionLife) -> int:
        """How many persons have to accept it (2 in production and where it loosens, else 1)."""

    def terms(self) -> Terms:
        """What the settings say of its life, for what people are told."""

    async def accept(self, suggestion_id: str, who: Principal, wish: Wish) -> CameTo:
        """Say yes. The last needed yes puts it into shadow (or into force, where nothing is tried)."""

    async def dismiss(self, suggestion_id: str, who: Principal, wish: Wish) -> CameTo:
        """Say no: it stays away until its evidence has doubled."""

    async def snooze(
        self, suggestion_id: str, who: Principal, wish: Wish, until_us: int
    ) -> CameTo:
        """Not now."""

    async def take_back(self, suggestion_id: str, who: Principal, wish: Wish) -> CameTo:
        """Return to the previous version: by one person, since it takes a right away.

        By two, each with a second factor, where what asks more is in force.
        """

    async def backtest(self, suggestion_id: str) -> Backtest:
        """Replay history again, now."""

    async def samples(self, *, unanswered: bool = True) -> Sequence[Sample]:
        """What is to be looked at afterwards, oldest first."""

    async def answer(
        self, sample_id: str, who: Principal, answer: SampleAnswer, wish: Wish
    ) -> Sample:
        """Say whether it was right. Raises KeyError; NotPermitted for one's own deed."""

    async def run(self) -> RunReport:
        """Read what is new, look for suggestions, check on the adopted ones; as each hour by itself."""


class WeeklyDigest(Protocol):
    """Where people are told once a week what is proposed and what became of the rest."""

    async def tell(self, lives: Sequence[SuggestionLife], now_us: int) -> bool:
        """Let it be said; false where there is nothing to say, or nowhere."""
