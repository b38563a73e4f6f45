"""What happens next with a suggestion, by itself or by people, and until when. Words only.

Takes plain values, as the API gives them; the days are those of the settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from gatekeep.messages.suggestions import Life, at

_DAY_US: Final = 86_400_000_000


def path(life: Life) -> list[str]:
    """What acceptance sets going."""
    if life.get("mutes"):
        ends = "It ends by itself after 30 days, or when the rule reads otherwise"
        return [
            "From then on nobody is told of each decision of the rule; the weekly digest counts them.",
            f"{ends}, and one person can take it back at any time.",
        ]
    if not life["writes_rule"]:
        return ["Accepting it notes that somebody takes care of it; no rule changes by itself."]
    terms = life["terms"]
    watched = _days(terms["canary_days"])
    if life["kind"] == "gate":
        return [
            f"In force at once, closely watched for {watched}; verified after {_days(terms['verify_days'])}.",
            "It does not end by itself; to take it back lets more pass, and takes as many persons.",
        ]
    steps = [
        f"In force and closely watched for {watched}: samples go to a person as before.",
        f"In force, with fewer samples; verified after {_days(terms['verify_days'])} in force.",
        f"It ends after {_days(terms['expires_days'])} at the latest, and one person can take it back at any time.",
    ]
    if life["kind"] == "relax":
        steps.insert(
            0,
            f"On trial for {_days(terms['shadow_days'])} or {terms['shadow_hits']:,} hits: not in force; "
            "one denial by a person inside it ends it.",
        )
    return steps


def following(life: Life) -> str:
    """What happens next, and who has to do what; empty where `needed` says it."""
    tell = _NEXT.get(life["state"])
    return tell(life) if tell is not None else ""


def _next_of_snoozed(life: Life) -> str:
    return f"It is proposed again by itself on {at(life['snoozed_until_us'])}; it can be decided before."


def _next_of_accepted(life: Life) -> str:
    if life["writes_rule"]:
        return "Nobody has to do anything: the next run takes it further."
    return "Somebody has to do what it advises; the loop sees that by itself."


def _next_of_shadow(life: Life) -> str:
    terms = life["terms"]
    ends = at(life["since_us"] + terms["shadow_days"] * _DAY_US)
    return (
        f"Nobody has to do anything: people decide as before until {ends}, or {terms['shadow_hits']:,} hits. "
        "If they deny none inside it, its rule comes into force by itself."
    )


def _next_of_canary(life: Life) -> str:
    watched = at(life["in_force_us"] + life["terms"]["canary_days"] * _DAY_US)
    if life["kind"] == "gate":
        return f"Nobody has to do anything; it is closely watched until {watched}."
    return (
        f"Samples of what it lets pass want an answer (gatekeep suggest samples); closely watched until {watched}, "
        "then with fewer samples."
    )


def _next_of_active(life: Life) -> str:
    if life.get("mutes"):
        return f"Nobody has to do anything: each decision of its rule is told again from {at(life['expires_us'])}."
    due = at(life["in_force_us"] + life["terms"]["verify_days"] * _DAY_US)
    return f"Samples want an answer (gatekeep suggest samples); it is verified from {due} on if they were right."


def _next_of_over(life: Life) -> str:
    asked = life["vector"]["asked"]
    if life["state"] == "expired":
        more = f"It is proposed again when there is more evidence than the {asked:,} of then."
    else:
        more = f"It is proposed again when its evidence has doubled: {2 * asked:,} asked, {asked:,} then."
    return f"{_WITHOUT[life['kind'] == 'gate']} {more}" if life["in_force_us"] else f"Nothing has changed by it. {more}"


_WITHOUT: Final = (
    "What it let pass is asked about as before.", "What it asked about is decided as before.",
)  # fmt: skip
_NEXT: Final[Mapping[str, Callable[[Life], str]]] = {
    "snoozed": _next_of_snoozed, "accepted": _next_of_accepted, "shadow": _next_of_shadow,
    "canary": _next_of_canary, "active": _next_of_active, "dismissed": _next_of_over,
    "reverted": _next_of_over, "expired": _next_of_over,
}  # fmt: skip


def _days(count: int) -> str:
    return f"{count} day{'' if count == 1 else 's'}"
