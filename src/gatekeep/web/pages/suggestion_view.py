"""What the page of one suggestion shows: rows and words, in the order evidence, change, checks, effect.

Reads and words; takes no form and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gatekeep.domain.suggestions import DAY_US, EvidenceVector, SuggestionLife
from gatekeep.feedback.ports import Suggestions
from gatekeep.messages import suggestion_course as course
from gatekeep.messages import suggestions as told
from gatekeep.messages import web as words
from gatekeep.messages import web_suggestions as said
from gatekeep.web.pages.command_text import CommandText, command_text
from gatekeep.web.pages.visits import Visit
from gatekeep.web.suggestion_shapes import suggestion_shape

MOST_DAYS: Final = 120
SNOOZES: Final = (7, 14, 30)
_LINE: Final = 2_000

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Strip:
    """A dot for each day, filled where it was approved; `label` says it in words."""

    days: tuple[bool, ...]
    label: str


@dataclass(frozen=True, slots=True)
class WiderForm:
    """A wider form that is not proposed, with the events against it."""

    line: str
    events: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SuggestionView:
    """Everything of the page but the panel."""

    id: str
    state: str
    state_word: str
    sentence: str
    standing: str
    digest: str
    about: Pairs
    evidence: Pairs
    strip: Strip | None
    events: tuple[int, ...]
    not_counted: tuple[str, ...]
    wider: tuple[WiderForm, ...]
    change: CommandText
    marks: tuple[str, ...]
    narrower: CommandText | None
    advice: str
    history: tuple[str, ...]
    matrix: tuple[tuple[str, str, str, str], ...]
    also: tuple[str, ...]
    per_person: tuple[str, ...]
    checks: tuple[str, ...]
    path: tuple[str, ...]
    needed: str
    following: str
    returning: str
    accepted: tuple[str, ...]
    effect: Pairs


@dataclass(frozen=True, slots=True)
class SuggestionPanel:
    """What may be done with it. `note` says why nothing, or what has been done."""

    note: str = ""
    may_accept: bool = False
    may_dismiss: bool = False
    may_return: bool = False
    barred: str = ""
    button: str = ""
    narrower: bool = False
    asks_code: bool = False
    asks_password: bool = False


def viewed(loop: Suggestions, life: SuggestionLife) -> SuggestionView:
    """The view of a suggestion."""
    shape: Mapping[str, Any] = suggestion_shape(life, loop.needed(life), loop.terms()).model_dump(mode="json")
    change = shape["change"]
    replay = shape["backtest"]
    return SuggestionView(
        id=shape["id"],
        state=shape["state"],
        state_word=told.state_word(shape["state"]),
        sentence=_plain(told.sentence(shape)),
        standing=_plain(told.standing(shape)),
        digest=shape["digest"],
        about=_pairs(told.scope_rows(shape["scope"])),
        evidence=_pairs(told.evidence_rows(shape["vector"])),
        strip=strip_of(life.suggestion.vector),
        events=tuple(shape["events"]),
        not_counted=_lines(told.not_counted(shape["not_counted"])),
        wider=tuple(
            WiderForm(_plain(told.rejected(one)), tuple(one["events"])) for one in shape["rejected"]
        ),
        change=command_text("\n".join(line[1:] for line in change), redacted=False),
        marks=tuple(line[:1].strip() for line in change),
        narrower=command_text(shape["narrower"], redacted=False) if shape["narrower"] else None,
        advice=_plain(shape["advice"] or ("" if change else told.NO_RULE)),
        history=_lines(told.backtest_lines(replay)[:1] if replay else [told.NOT_REPLAYED]),
        matrix=_matrix(replay),
        also=_lines(told.also_allows(replay)),
        per_person=_lines(told.per_person(replay)),
        checks=_lines(told.check_line(one) for one in shape["checks"]),
        path=tuple(course.path(shape)),
        needed=_plain(told.needed(shape)),
        following=_plain(course.following(shape)),
        returning=told.returning(shape),
        accepted=_lines(told.accepted_line(one) for one in shape["accepted_by"]),
        effect=_pairs(told.effect_rows(shape)),
    )


def panel_of(visit: Visit, loop: Suggestions, life: SuggestionLife, *, may_change: bool) -> SuggestionPanel:
    """The panel that this principal gets."""
    shape = suggestion_shape(life, loop.needed(life), loop.terms())
    if not may_change:
        return SuggestionPanel(said.MAY_NOT if shape.open or shape.returnable else "")
    me = visit.principal
    has_codes = visit.needs.sign_in.proofs.needs_code(me.name)
    stale = visit.browser is not None and not visit.browsers.is_fresh(visit.browser)
    if not shape.open:
        asks = shape.returnable and shape.return_needs_code
        return SuggestionPanel(
            may_return=shape.returnable,
            barred=said.NEEDS_CODES if asks and not has_codes else "",
            asks_code=asks,
            asks_password=asks and stale,
        )
    if any(one.person == me.person for one in life.accepted_by):
        return SuggestionPanel(said.ACCEPTED_BEFORE, may_dismiss=True)
    barred = said.NEEDS_CODES if shape.needs_code and not has_codes else ""
    if me.person in shape.gains_most:
        barred = said.GAINS_MOST
    last = shape.needed - len(life.accepted_by) <= 1
    advice = said.ACCEPT_MUTE if shape.mutes else said.ACCEPT_ADVICE
    button = said.ACCEPT if shape.writes_rule else advice
    return SuggestionPanel(
        may_accept=True,
        may_dismiss=True,
        barred=barred,
        button=button if last else said.ACCEPT_TOO,
        narrower=bool(shape.narrower),
        asks_code=shape.needs_code,
        asks_password=shape.needs_code and stale,
    )


def strip_of(vector: EvidenceVector) -> Strip | None:
    """The days from the first approval to the last, the newest MOST_DAYS of them."""
    if not vector.on_days:
        return None
    last = max(vector.on_days[-1], vector.last_us // DAY_US)
    first = max(min(vector.on_days[0], vector.first_us // DAY_US), last - MOST_DAYS + 1)
    on = frozenset(vector.on_days)
    days = tuple(day in on for day in range(first, last + 1))
    return Strip(days, said.strip(sum(days), len(days)))


def _matrix(replay: Mapping[str, Any] | None) -> tuple[tuple[str, str, str, str], ...]:
    """Before, after, how many, and how many of what was held out."""
    if replay is None:
        return ()
    held = {(one[0], one[1]): one[2] for one in told.matrix_rows(replay["holdout"])}
    return tuple(
        (_plain(before), _plain(after), count, held.get((before, after), "0"))
        for before, after, count in told.matrix_rows(replay["matrix"])
    )


def _plain(text: object) -> str:
    return words.plain(text, _LINE)


def _lines(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(_plain, found))


def _pairs(found: Iterable[tuple[str, str]]) -> Pairs:
    return tuple((name, _plain(value)) for name, value in found)
