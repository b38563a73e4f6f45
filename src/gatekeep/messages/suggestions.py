"""A suggestion in words, for command line, pages and Slack: what is proposed, why, and what came of it.

Takes plain values, as the API gives them; nothing here is made safe for where it is shown, whoever
shows it does that. Refusals of the API are `suggestion_refusals`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gatekeep.messages.web import lasting, moment

Life = Mapping[str, Any]
Pairs = list[tuple[str, str]]

_DAY_US: Final = 86_400_000_000
_STATES: Final[Mapping[str, str]] = {
    "candidate": "being looked at", "proposed": "◆ proposed", "snoozed": "put off",
    "dismissed": "dismissed", "accepted": "● accepted", "shadow": "● on trial, not in force",
    "canary": "● in force, closely watched", "active": "● in force", "verified": "● in force, verified",
    "reverted": "■ taken back", "expired": "ended",
}  # fmt: skip
KINDS: Final[Mapping[str, str]] = {
    "relax": "let it pass without asking", "gate": "ask first", "ask_instead": "ask instead of deny",
    "narrow": "reach less far", "remove": "remove a rule", "mute": "tell of it less",
    "merge": "merge two rules", "words": "a better message", "alert": "look at somebody's attempts",
}  # fmt: skip
_NOT_COUNTED: Final[Mapping[str, str]] = {
    "break_glass": "was done by break-glass", "reported": "an incident followed",
    "rubber_stamp": "was approved within seconds, unread",
    "own_group": "asker and approver decide for each other",
    "not_sure": "it is not known for sure what ran",
    "same_day": "repeats of one person on one day", "retried": "was denied, then asked again",
    "young_rule": "the rule was new", "withdrawn_sample": "a sample that was withdrawn",
    "grant": "leave that was given before covered it",
    "too_old": "is longer ago than evidence counts",
    "own_approval": "nobody but the asker approved it",
    "rule_changed": "was decided under another text of the rule",
    "other_values": "has other values than the form that is proposed",
    "target_changed": "its target had other labels then",
    "seldom_there": "is on a target where it was seldom approved",
}  # fmt: skip
_SHIFTS: Final = {"allow": "passes", "ask": "is asked", "deny": "is denied"}
_BOUNDS: Final = {"exact": "is", "any_of": "is one of", "prefix": "begins with", "any": "may be anything"}
_OVER: Final = frozenset({"dismissed", "reverted", "expired"})
NO_RULE: Final = "Nothing of the policy changes: this is advice."
NOTHING_LEFT_OUT: Final = "Nothing was left out."
NOT_REPLAYED: Final = "History was not replayed yet."
NO_WIDER: Final = "No wider form was considered."
NO_EFFECT: Final = "It has not been in force yet."


def state_word(state: str) -> str:
    """Shape and word of a state."""
    return _STATES.get(state, state)


def state_plain(state: str) -> str:
    """The word of a state without its shape, for the middle of a sentence."""
    return state_word(state).lstrip("◆●■ ")


def kind_word(kind: str) -> str:
    """What kind of change it is."""
    return KINDS.get(kind, kind)


def saving(per_week: float, wait_s_per_week: float) -> str:
    """`about 3.2 approvals and 21 min of waiting a week`; empty for nothing."""
    parts = []
    if per_week:
        parts.append(f"{number(per_week)} approval{'' if number(per_week) == '1' else 's'}")
    if wait_s_per_week >= 1:
        parts.append(f"{lasting(wait_s_per_week)} of waiting")
    return f"about {' and '.join(parts)} a week" if parts else ""


def sentence(life: Life) -> str:
    """What it is, and what it saves."""
    title = str(life["title"]).rstrip(".")
    saved = saving(life["saves_per_week"], life["wait_s_per_week"])
    return f"{title}; saves {saved}." if saved else f"{title}."


def scope_rows(scope: Mapping[str, Any]) -> Pairs:
    """Whom and what it is about."""
    rows = [
        ("who", f"group {scope['group']}" if scope["group"] else ""),
        ("action", scope["action"]),
        ("environment", scope["environment"]),
        ("targets", ", ".join(scope["targets"])),
        ("labels", ", ".join(scope["labels"])),
        ("account", scope["account"]),
        ("database", scope["database"]),
        ("reads", ", ".join(scope["tables_read"])),
        ("writes", ", ".join(scope["tables_written"])),
    ]
    rows += [("text", template) for template in scope["templates"]]
    for place, slot in enumerate(scope["slots"], 1):
        values = ", ".join(slot["values"])
        rows.append((f"value {place}", f"{_BOUNDS.get(slot['bound'], slot['bound'])} {values}".rstrip()))
    return [(name, value) for name, value in rows if value]


def evidence_rows(vector: Mapping[str, Any]) -> Pairs:
    """The vector, shown and not hidden."""
    assurance = vector["assurance"].items()
    return [
        ("asked", f"{vector['asked']:,}"),
        ("approved", f"{vector['approved']:,}"),
        ("denied", f"{vector['denied']:,}"),
        ("incidents", f"{vector['incidents']:,}"),
        ("break-glass", f"{vector['overrides']:,}"),
        ("people", _counted(vector["persons"])),
        ("approvers", _counted(vector["approvers"])),
        ("days", str(vector["days"])),
        ("first, last", f"{at(vector['first_us'])}, {at(vector['last_us'])}"),
        ("largest share of one asker and approver", f"{vector['largest_share']:.0%}"),
        ("median wait", lasting(vector["latency_s"])),
        ("surely known", ", ".join(f"{name} {count}" for name, count in sorted(assurance)) or "-"),
        ("share approved, at least (95 % sure)", f"{vector['wilson']:.0%}"),
        ("freshness (1 today, half in 30 days)", f"{vector['recency']:.2f}"),
    ]


def not_counted(counts: Mapping[str, int]) -> list[str]:
    """What was left out of the evidence, and why."""
    return [
        f"{count:,} not counted: {_NOT_COUNTED.get(why, why.replace('_', ' '))}"
        for why, count in sorted(counts.items())
    ] or [NOTHING_LEFT_OUT]


def rejected(one: Mapping[str, Any]) -> str:
    """A wider form, why it is not proposed, and what speaks against it."""
    shown = "; ".join(one["examples"])
    against = f" ({shown})" if shown else ""
    return f"not proposed: {one['form']}: {one['why']}{against}"


def events_line(events: Sequence[int]) -> str:
    """Event numbers, whole."""
    return ", ".join(str(n) for n in events)


def check_line(one: Mapping[str, Any]) -> str:
    """One check with its reason, never a bare tick."""
    return f"{'● passed' if one['passed'] else '■ failed'}: {one['name']}: {one['why']}"


def matrix_rows(counts: Mapping[str, int]) -> list[tuple[str, str, str]]:
    """Before, after and how many, those that change first."""
    rows = [(*name.partition(">")[::2], count) for name, count in counts.items()]
    ordered = sorted(rows, key=lambda row: (row[0] == row[1], row[0], row[1]))
    return [
        (_SHIFTS.get(before, before), _SHIFTS.get(after, after), f"{count:,}")
        for before, after, count in ordered
    ]


def matrix_line(counts: Mapping[str, int]) -> str:
    """The same on one line."""
    told = [f"{before} → {after}: {count}" for before, after, count in matrix_rows(counts)]
    return "; ".join(told) or "nothing"


def backtest_lines(found: Mapping[str, Any] | None) -> list[str]:
    """A replay of history, a line each."""
    if found is None:
        return [NOT_REPLAYED]
    days = max(1, round((found["to_us"] - found["from_us"]) / _DAY_US))
    lines = [
        f"{'● passed' if found['passed'] else '■ failed'}: {found['why'] or 'replay of history'}",
        f"{found['replayed']:,} actions of {days} days replayed: {matrix_line(found['matrix'])}",
        f"of these held out, not used to find it: {matrix_line(found['holdout'])}",
        f"{found['errors']:,} errors, {found['unknown']:,} could not be replayed",
    ]
    if found["denied_now_passing"]:
        lines.append(f"denied by people, would pass: {events_line(found['denied_now_passing'])}")
    return lines


def also_allows(found: Mapping[str, Any] | None) -> list[str]:
    """Invented neighbours, and what would become of each."""
    probes = found["probes"] if found else ()
    return [
        f"{one['text']}: {_SHIFTS.get(one['before'], one['before'])}"
        f" → {_SHIFTS.get(one['after'], one['after'])}"
        for one in probes
    ]


def per_person(found: Mapping[str, Any] | None) -> list[str]:
    """What it means for each person."""
    shifts = found["per_person"] if found else ()
    return [
        f"{one['person']}: {one['count']:,} decided otherwise"
        + (f" ({'; '.join(one['examples'])})" if one["examples"] else "")
        for one in shifts
    ]


def needed(life: Life) -> str:
    """Who must still accept it."""
    said = [one["principal"] for one in life["accepted_by"]]
    missing = max(0, life["needed"] - len(said))
    already = f"Accepted by {_and(said)}. " if said else ""
    if not life["open"]:
        return already.rstrip()
    people = "person has" if missing == 1 else "persons have"
    code = ", each with a code from an authenticator" if life["needs_code"] else ""
    not_who = f" Not {_and(life['gains_most'])}: nobody accepts what he gains most by." if life["gains_most"] else ""
    return f"{already}{missing} {'more ' if said else ''}{people} to accept it{code}.{not_who}"


def returning(life: Life) -> str:
    """What taking it back takes, where that is more than one word; else empty."""
    if not (life["returnable"] and life["return_needs_code"]):
        return ""
    return "Taking back what asks more lets more pass: it takes two persons, each with a code."


def question(life: Life, *, narrower: bool = False) -> str:
    """What an acceptance is asked as."""
    form = " in its narrower form" if narrower else ""
    last = life["needed"] - len(life["accepted_by"]) <= 1
    if life.get("mutes"):
        last_word = "" if last else " Somebody else has to, too."
        return f"Accept {life['id']}: tell of its rule once a week for 30 days?{last_word}"
    if not life["writes_rule"]:
        return f"Accept {life['id']} as advice?"
    if last:
        return f"Accept {life['id']}{form} and let its trial begin?"
    return f"Accept {life['id']}{form}? Somebody else has to, too."


def standing(life: Life) -> str:
    """Where it stands, since when, by whom."""
    parts = [f"since {at(life['since_us'])}"] if life["since_us"] else []
    if life["decided_by"]:
        parts.append(f"by {life['decided_by']}")
    if life["state"] == "snoozed" and life["snoozed_until_us"]:
        parts.append(f"until {at(life['snoozed_until_us'])}")
    over = life["state"] in _OVER
    if life["in_force_us"]:
        parts.append(f"{'was in force from' if over else 'in force since'} {at(life['in_force_us'])}")
    if life["expires_us"] and not over:
        parts.append(f"ends {at(life['expires_us'])}")
    why = f": {life['reason']}" if life["reason"] else ""
    return f"{state_word(life['state'])}{', ' if parts else ''}{', '.join(parts)}{why}"


def effect_rows(life: Life) -> Pairs:
    """What it did since it came into force; empty where it never was."""
    effect = life["effect"]
    if not life["in_force_us"] and not effect["hits"]:
        return []
    if life.get("mutes"):
        counted = [("not told one by one", f"{effect['hits']:,}"), ("last counted", moment(effect["last_us"]))]
        return [(name, value) for name, value in counted if value]
    rows = [
        ("forecast, matches a week", number(effect["forecast_per_week"])),
        ("actual, matches a week", number(effect["actual_per_week"])),
        ("hits", f"{effect['hits']:,}"),
        ("sampled", f"{effect['sampled']:,}, {effect['after']:,} of them afterwards"),
        ("right", number(effect["agreed"])),
        ("wrong", number(effect["denied"])),
        ("people who are new to it", _counted(effect["newcomers"])),
        ("incidents", f"{effect['incidents']:,}"),
        ("break-glass", f"{effect['break_glass']:,}"),
        ("waiting saved", lasting(effect["saved_wait_s"])),
        ("checked at day", ", ".join(str(day) for day in effect["checked_days"]) or "-"),
        ("last use", at(effect["last_us"]) or "-"),
        ("in short", effect["words"]),
    ]
    return [(name, value) for name, value in rows if value]


def accepted_line(one: Mapping[str, Any]) -> str:
    """One person's yes."""
    code = ", with a second factor" if one["mfa"] else ""
    said = f": {one['reason']}" if one["reason"] else ""
    return f"{one['principal']} accepted it {at(one['at_us'])} ({one['via']}{code}){said}"


def run_line(report: Mapping[str, Any]) -> str:
    """What one run of the loop did."""
    if report["stopped"]:
        return f"nothing was suggested: {report['stopped']}"
    parts = [
        f"{len(report[name])} {name}" for name in ("proposed", "withdrawn", "reverted")
    ]
    return f"read {report['read']:,} events in {report['seconds']:.1f} s: {', '.join(parts)}"


# --- the weekly digest


def digest_title(count: int) -> str:
    """What a lock screen shows of it: no name and no text. `count`: all that wait for an answer."""
    if not count:
        return "gatekeep: what became of adopted suggestions"
    return f"gatekeep: {count:,} suggestion{' waits' if count == 1 else 's wait'} for an answer"


def digest_heading(shown: int, of: int) -> str:
    """What stands above those that are proposed, and how many are left out."""
    return f"Proposed, most saving first{f' ({shown} of {of:,})' if shown < of else ''}:"


def digest_proposed(suggestion_id: str, title: str, saved: str) -> str:
    """One that is proposed."""
    return f"{suggestion_id}: {title.rstrip('.')}{f'; saves {saved}' if saved else ''}"


def digest_ended(suggestion_id: str, title: str, state: str, reason: str) -> str:
    """One that was taken back, or verified, this week."""
    why = f": {reason}" if reason else ""
    return f"{suggestion_id} {state_word(state)}: {title.rstrip('.')}{why}"


def digest_muted(suggestion_id: str, rules: Sequence[str], count: int, until_us: int) -> str:
    """A rule that is told of here alone."""
    decided = "1 decision" if count == 1 else f"{count:,} decisions"
    return f"{_and(rules)}: {decided} so far; each is told again from {moment(until_us)} ({suggestion_id})"


DIGEST_MUTED: Final = "Muted rules, counted since they were muted:"
DIGEST_ENDED: Final = "What became of adopted ones:"


def number(value: float) -> str:
    """`3.2`, `3`."""
    return f"{value:,.1f}".removesuffix(".0")


def at(at_us: int) -> str:
    """A time with its zone; empty for one that has not come."""
    return f"{moment(at_us)} UTC" if at_us else ""


def _counted(names: Sequence[str]) -> str:
    return f"{len(names)}: {', '.join(names)}" if names else "0"


def _and(names: Sequence[str]) -> str:
    return " and ".join(names)
