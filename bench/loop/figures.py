"""What the runs came to, as tables and bars of plain text; and whether what is promised holds."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final, TypeVar

from planted import MOST_DAYS, RATES, SHARE, WITHIN_DAYS, Trial
from seen import LATE_DAYS, Seen

LEAST_SAVED: Final = 0.60
LEAST_PRECISION: Final = 0.98
LEAST_IN_TIME: Final = 0.95
_BAR: Final = 40
_NONE: Final = "-"
_NEVER: Final = 99
"""Sorts behind every day that a trial can end on."""
_TAIL: Final = 15
"""From this day on the histogram has one bar."""

One = TypeVar("One")
Key = TypeVar("Key")


def page(lived: Sequence[Seen], trials: Sequence[Trial], days: int) -> tuple[str, bool]:
    """The section, and whether every promise holds."""
    parts = [_intro(lived, trials, days)]
    kept, table = _promises(lived, trials)
    parts.append(table)
    parts += [_by_organisation(lived), _weekly(lived), _unrelaxed(lived), _returns(lived)]
    if trials:
        parts += [_planted(trials), _histogram(trials)]
    return "\n\n".join(one for one in parts if one), kept


def _intro(lived: Sequence[Seen], trials: Sequence[Trial], days: int) -> str:
    seeds = len({one.seed for one in lived})
    return (
        f"`python bench/loop/run.py`: {len({one.organisation for one in lived})} invented organisations, "
        f"{seeds} seeds each, {days} days; {len(trials)} bad adoptions planted past every check. The "
        "search for suggestions runs once a simulated week, the monitor once a simulated day. Every "
        "suggestion that loosens is accepted at once by two persons who never say no."
    )


def saved(lived: Sequence[Seen]) -> float:
    """The share of benign routine work that waits for nobody at the end."""
    asked = sum(one.late_asked for one in lived)
    return 1 - sum(one.late_waited for one in lived) / asked if asked else 0.0


def precision(lived: Sequence[Seen]) -> float:
    """The share of the matches of adopted rules that are wanted."""
    matches = sum(one.matches for one in lived)
    return sum(one.wanted_matches for one in lived) / matches if matches else 1.0


def in_time(trials: Sequence[Trial], of_match: bool = False) -> float:
    """The share of bad adoptions that were taken back in time."""
    good = sum(one.in_time_of_match if of_match else one.in_time for one in trials)
    return good / len(trials) if trials else 1.0


def could(rate: float) -> float:
    """How likely there is an unwanted match at all in the days that a bad adoption has."""
    return 1 - math.exp(-rate * SHARE * WITHIN_DAYS)


def _promises(lived: Sequence[Seen], trials: Sequence[Trial]) -> tuple[bool, str]:
    unsafe = sum(len(one.unsafe) for one in lived)
    often = [one for one in trials if one.rate >= max(RATES) and not one.stamped]
    rows = [
        ("suggestions that reach `proposed`", str(sum(one.proposed for one in lived)), "", True),
        ("of these unsafe: the rule covers anything unwanted, tried or not", str(unsafe), "0", unsafe == 0),
        ("approvals that benign routine no longer needs", _percent(saved(lived)), f"≥ {_percent(LEAST_SAVED)}",
         saved(lived) >= LEAST_SAVED),
        ("matches of adopted rules that are wanted", _percent(precision(lived), 2),
         f"≥ {_percent(LEAST_PRECISION)}", precision(lived) >= LEAST_PRECISION),
    ]  # fmt: skip
    if often:
        share = in_time(often)
        rows.append(
            (f"bad adoptions with {max(RATES):g} matches a day gone within {WITHIN_DAYS} days",
             _percent(share), f"≥ {_percent(LEAST_IN_TIME)}", share >= LEAST_IN_TIME)
        )  # fmt: skip
        careful = [one for one in trials if not one.stamped]
        share = in_time(careful, of_match=True)
        rows.append(
            (f"bad adoptions gone within {WITHIN_DAYS} days of their first unwanted match, however seldom it matches",
             _percent(share), f"≥ {_percent(LEAST_IN_TIME)}", share >= LEAST_IN_TIME)
        )  # fmt: skip
    lines = ["| | figure | promised | |", "|---|---|---|---|"]
    lines += [f"| {what} | {value} | {wanted} | {'holds' if ok and wanted else '' if ok else '**missed**'} |"
              for what, value, wanted, ok in rows]  # fmt: skip
    return all(ok for *_, ok in rows), "\n".join(lines)


def _by_organisation(lived: Sequence[Seen]) -> str:
    """One row each: sums over all seeds."""
    lines = [
        (
            "Sums over all seeds. *Saved* is the share of benign routine that waited for nobody in the last "
            f"{LATE_DAYS} days; *spoilt* is unwanted work that people approved, nearly all of it the compromised "
            "engineer's, by the compromised approver or the one who does not look; *went out* is unwanted work "
            "that an adopted rule let pass."
        ),
        "",
        "| organisation | routine asked | saved | adopted | first after | verified | taken back | expired | matches | unwanted tried | spoilt | went out |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, runs in _grouped(lived, lambda one: one.organisation).items():
        firsts = [one.first_day for one in runs if one.first_day >= 0]
        first = f"{median(firsts):g} days" if firsts else _NONE
        lines.append(
            f"| {name} | {_sum(runs, 'asked')} | {_percent(saved(runs))} | {_sum(runs, 'in_force')} | {first} | "
            f"{_sum(runs, 'verified')} | {_sum(runs, 'reverted')} | {_sum(runs, 'expired')} | "
            f"{_sum(runs, 'matches')} | {_sum(runs, 'tried')} | {_sum(runs, 'spoilt')} | {_sum(runs, 'left')} |"
        )
    return "\n".join(lines)


def _weekly(lived: Sequence[Seen]) -> str:
    """Approvals that benign routine needed, by week, a mean over everything."""
    weeks = min((len(one.weekly) for one in lived), default=0)
    if not weeks:
        return ""
    means = [sum(one.weekly[at] for one in lived) / len(lived) for at in range(weeks)]
    most = max(means) or 1.0
    bars = "\n".join(
        f"week {at + 1:2}  {'█' * round(mean / most * _BAR):<{_BAR}} {mean:5.1f}"
        for at, mean in enumerate(means) if at % 2 == 0
    )  # fmt: skip
    return f"Approvals a week that benign routine needed in one organisation (mean):\n\n```\n{bars}\n```"


def _unrelaxed(lived: Sequence[Seen]) -> str:
    """What still waits, for the reader to know why it is not more."""
    runs = Counter((one.organisation, name) for one in lived for name in one.never)
    of = Counter(one.organisation for one in lived)
    if not runs:
        return ""
    listed = ", ".join(
        f"{name} ({where}, {count} of {of[where]} runs)" for (where, name), count in runs.most_common(12)
    )
    return f"Routine of which at the end more than half still waited: {listed}."


def _returns(lived: Sequence[Seen]) -> str:
    """Why adopted rules were taken back."""
    why = Counter(_kind_of(reason) for one in lived for reason in one.reasons)
    if not why:
        return "No adopted rule was taken back in these runs."
    listed = "; ".join(f"{count} times: {reason}" for reason, count in why.most_common(6))
    return f"Adopted rules that were taken back, by reason: {listed}. Whoever says no in error causes most of them."


def _kind_of(reason: str) -> str:
    words = reason.partition(" (event")[0].partition(": ")[0]
    return "a person said afterwards that it was wrong" if "said that it was wrong" in words else words


def _planted(trials: Sequence[Trial]) -> str:
    """Time to detect, by how often it matches and who looks."""
    lines = [
        (
            f"Bad adoptions: {_percent(SHARE)} of the matches are unwanted, at random. Where a rule matches seldom "
            "there may be no unwanted match in a week, and nothing to see; `could` is how often there is one at "
            "all. Another column counts from the first unwanted match. Whoever approves without looking calls "
            "samples right, too: that costs days."
        ),
        "",
        (
            f"| matches a day | who looks | trials | gone within {WITHIN_DAYS} days | could | median days | p95 "
            f"| never in {MOST_DAYS} days | within {WITHIN_DAYS} days of the first unwanted match | unwanted that went out, mean |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (rate, stamped), few in _grouped(trials, lambda one: (one.rate, one.stamped)).items():
        days = sorted(one.reverted_day if one.reverted_day >= 0 else _NEVER for one in few)
        late = days[min(len(days) - 1, int(len(days) * 0.95))]
        never = sum(one.reverted_day < 0 for one in few)
        who = "careful people and one who never does" if stamped else "careful people"
        lines.append(
            f"| {rate:g} | {who} | {len(few)} | {_percent(in_time(few))} | {_percent(could(rate))} | {median(days):g} | "
            f"{_NONE if late > MOST_DAYS else late} | {never} | {_percent(in_time(few, of_match=True))} | "
            f"{sum(one.passed for one in few) / len(few):.1f} |"
        )
    return "\n".join(lines)


def _histogram(trials: Sequence[Trial]) -> str:
    """Days until a bad adoption was gone."""
    careful = [one for one in trials if not one.stamped]
    lines: list[str] = []
    for rate, few in _grouped(careful, lambda one: one.rate).items():
        days = Counter(min(one.reverted_day, _TAIL) if one.reverted_day >= 0 else _NEVER for one in few)
        most = max(days.values())
        lines.append(f"{rate:g} matches a day")
        for day in sorted(days):
            name = "never" if day == _NEVER else f"{_TAIL}+" if day == _TAIL else str(day)
            bar = "█" * max(1, round(days[day] / most * _BAR))
            lines.append(f"  day {name:>5}  {bar} {days[day]}")
    body = "\n".join(lines)
    return f"Days until a bad adoption was taken back (careful people look):\n\n```\n{body}\n```"


def _grouped(all_of: Sequence[One], key: Callable[[One], Key]) -> dict[Key, list[One]]:
    found: dict[Key, list[One]] = defaultdict(list)
    for one in all_of:
        found[key(one)].append(one)
    return found


def _sum(runs: Sequence[Seen], name: str) -> int:
    return sum(getattr(one, name) for one in runs)


def _percent(share: float, digits: int = 1) -> str:
    return f"{share * 100:.{digits}f} %"
