"""A suggestion on a terminal or in a pipe: evidence, change, checks, effect, in that order, whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from gatekeep.cli.asked import whole_text
from gatekeep.cli.output import Column, Format, Kind, Screen, visible
from gatekeep.feedback.seen import SHOWN_DIGITS
from gatekeep.messages import suggestion_course as course
from gatekeep.messages import suggestions as words

Life = Mapping[str, Any]

COLUMNS: Final = (
    Column("ID", "id"),
    Column("STATE", "state"),
    Column("CHANGE", "kind"),
    Column("RISK", "risk"),
    Column("SAVES A WEEK", "saves_per_week"),
    Column("ASKED", "asked"),
    Column("DENIED", "denied"),
    Column("PEOPLE", "persons"),
    Column("YES", "yes"),
    Column("ACCEPTED BY", "accepted"),
    Column("WHAT", "title"),
)
SAMPLES: Final = (
    Column("ID", "id"),
    Column("EVENT", "n"),
    Column("AT", "at_us", Kind.TIME),
    Column("WHO", "principal"),
    Column("TARGET", "target"),
    Column("PASSED", "text"),
    Column("BY", "suggestion"),
    Column("ANSWER", "answer"),
    Column("ANSWERED BY", "answered_by"),
)
STEPS: Final = (Column("STEP", "step"), Column("EVENT", "event"), Column("WHAT", "what"))
"""What an auditor follows: evidence, rule, effect."""
EFFECT: Final = (Column("NAME", "name"), Column("VALUE", "value"))
MATRIX: Final = (
    Column("BEFORE", "before"),
    Column("AFTER", "after"),
    Column("COUNT", "count"),
    Column("PART", "part"),
)


def row(one: Mapping[str, Any]) -> dict[str, Any]:
    """A suggestion as a row of the list."""
    said = f"{len(one['accepted'])} of {one['needed']}"
    return {**one, "saves_per_week": words.number(one["saves_per_week"]), "yes": said}


def show(screen: Screen, life: Life) -> None:
    """One suggestion as data: everything, or the document."""
    if screen.format is not Format.TABLE:
        screen.document(dict(life))
        return
    screen.data(f"{visible(life['id'])}  {visible(words.standing(life))}")
    if said := course.following(life):
        screen.data(f"next: {visible(said)}")
    for line in lines(life):
        screen.data(line)
    for line in _part("effect", _pairs(words.effect_rows(life)), words.NO_EFFECT):
        screen.data(line)


def lines(life: Life) -> Iterator[str]:
    """What is to be seen before anybody accepts it: evidence, change, checks, path."""
    yield visible(words.sentence(life))
    yield visible(f"digest {life['digest'][:SHOWN_DIGITS]} · {words.kind_word(life['kind'])}")
    yield from _part("about", _pairs(words.scope_rows(life["scope"])), "")
    yield from _part("evidence", _pairs(words.evidence_rows(life["vector"])), "")
    yield visible(f"  events: {words.events_line(life['events']) or '-'}")
    yield from _part("not counted", words.not_counted(life["not_counted"]), "")
    yield from _part("wider forms", map(words.rejected, life["rejected"]), words.NO_WIDER)
    yield "change:"
    if life["change"]:
        yield from whole_text("\n".join(life["change"]))
    yield visible(f"  {life['advice'] or ('' if life['change'] else words.NO_RULE)}").rstrip()
    yield from _part("history", words.backtest_lines(life["backtest"]), "")
    yield from _part("would also", words.also_allows(life["backtest"]), "")
    yield from _part("people", words.per_person(life["backtest"]), "")
    yield from _part("checks", map(words.check_line, life["checks"]), "none")
    if life["narrower"]:
        yield "narrower form, with --narrower:"
        yield from whole_text(life["narrower"])
    if life["open"]:
        yield from _part("path", course.path(life), "")
    yield from map(visible, map(words.accepted_line, life["accepted_by"]))
    if life["open"]:
        yield visible(words.needed(life))


def steps(life: Life, samples: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Evidence → rule → effect, each event that is known a row."""
    root = f"evidence, root {life['evidence_root']}"
    yield from ({"step": "evidence", "event": n, "what": root} for n in life["events"])
    for one in life["rejected"]:
        said = f"against {one['form']}: {one['why']}"
        yield from ({"step": "counter-example", "event": n, "what": said} for n in one["events"])
    replay = life["backtest"]
    denied = replay["denied_now_passing"] if replay else ()
    yield from (
        {"step": "denied, would pass", "event": n, "what": "by replay of history"} for n in denied
    )
    for rule in life["sources"]:
        yield {"step": "source rule", "event": None, "what": f"{rule['id']}, text {rule['digest']}"}
    if life["rule_id"]:
        yield {"step": "rule", "event": None, "what": life["rule_id"]}
    for yes in life["accepted_by"]:
        yield {"step": "accepted", "event": None, "what": words.accepted_line(yes)}
    yield {"step": "state", "event": None, "what": words.standing(life)}
    for sample in samples:
        came = sample["answer"] or "not answered yet"
        by = f" by {sample['answered_by']}" if sample["answered_by"] else ""
        yield {"step": "sample", "event": sample["n"], "what": f"{sample['id']}: {came}{by}"}
    for name, value in words.effect_rows(life):
        yield {"step": "effect", "event": None, "what": f"{name}: {value}"}


def matrix(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A replay as rows: all of it, then what was held out."""
    return [
        {"before": before, "after": after, "count": count, "part": part}
        for part, counts in (("all", found["matrix"]), ("held out", found["holdout"]))
        for before, after, count in words.matrix_rows(counts)
    ]


def _part(name: str, found: Iterable[str], otherwise: str) -> Iterator[str]:
    told = list(found) or ([otherwise] if otherwise else [])
    if told:
        yield f"{name}:"
        yield from (f"  {visible(one)}" for one in told)


def _pairs(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    return (f"{name}: {value}" for name, value in rows)
