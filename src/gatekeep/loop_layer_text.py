"""The adopted layer as text: what of it is whose, and files with and without it. Pure.

Part of the composition root, and apart from `loop_layer` so that the loop's process needs no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from gatekeep.domain.suggestions import SuggestionLife
from gatekeep.feedback.life import in_force
from gatekeep.policy.loading import load
from gatekeep.policy.rules import PolicyVersion
from gatekeep.policy.scanner import CutError, cut

ADOPTED: Final = "adopted.cedar"
"""Rules accepted on the running gateway: `<state>/policy/adopted.cedar`."""

HEADER: Final = (
    "// Rules of accepted suggestions (gatekeep suggest ls). The gateway writes this file.\n"
)


def layer_text(lives: Iterable[SuggestionLife], running: Mapping[str, str]) -> str:
    """The text of the layer, empty without rules. The same rules give the same text.

    What stands in the layer of the `running` texts and is no suggestion's, somebody wrote there by
    hand: it stays.
    """
    known: dict[str, str] = {}
    for life in lives:
        known[life.suggestion.rule_id] = life.suggestion.rule if in_force(life) else ""
    foreign = [(name, text) for name, text in rules_of(running.get(ADOPTED, "")) if name not in known]
    ours = [(name, text) for name, text in known.items() if name and text]
    return composed(text for _, text in sorted([*foreign, *ours]))


def only_less(layer: str, running: Mapping[str, str]) -> bool:
    """Whether nothing comes in with this layer: its rules are some of those that rule."""
    return set(rules_of(layer)) <= set(rules_of(running.get(ADOPTED, "")))


def composed(rules: Iterable[str]) -> str:
    """These rules as one file."""
    texts = [text.strip() for text in rules]
    return HEADER + "".join(f"\n{text}\n" for text in texts) if texts else ""


def with_layer(texts: Mapping[str, str], layer: str) -> dict[str, str]:
    """The files with this layer in place of the one they have."""
    others = {name: text for name, text in texts.items() if name != ADOPTED}
    return {**others, ADOPTED: layer} if layer else others


def version_without(version: PolicyVersion, rule_id: str) -> PolicyVersion:
    """The version as it were without this rule of its layer."""
    kept = [text for name, text in rules_of(version.texts.get(ADOPTED, "")) if name != rule_id]
    return load(with_layer(version.texts, composed(kept)))


def rules_of(layer: str) -> list[tuple[str, str]]:
    """The id and text of each of its rules."""
    try:
        return [(piece.guessed_id, piece.text) for piece in cut(layer)]
    except CutError:
        return []
