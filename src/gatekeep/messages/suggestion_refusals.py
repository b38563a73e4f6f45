"""What the API says of suggestions when something was not done: what, why, and what to do."""

from __future__ import annotations

from gatekeep.messages import printable
from gatekeep.messages.api import ID_CHARACTERS, Words

NOT_SET_UP = Words("suggestions are not set up here")


def no_suggestion(suggestion_id: str) -> Words:
    """There is none, or its id is the beginning of several."""
    name = printable(suggestion_id, ID_CHARACTERS)
    return Words(f"no suggestion {name}", "", "gatekeep suggest ls --status all lists them")


def no_sample(sample_id: str) -> Words:
    """There is none."""
    name = printable(sample_id, ID_CHARACTERS)
    return Words(f"no sample {name}", "", "gatekeep suggest samples lists them")


def answered_before(sample_id: str, by: str, said: str, suggestion_id: str) -> Words:
    """Somebody has said the contrary of it before, and that stays."""
    return Words(
        f"{printable(by, ID_CHARACTERS)} said before that {sample_id} was {said}",
        "an answer stays as it is; nothing changed",
        f"gatekeep suggest revert {suggestion_id} takes its rule back",
    )


def not_counted(words: str, suggestion_id: str) -> Words:
    """Something that changed nothing, in the loop's own words."""
    said = words.removesuffix(" Nothing changed.").removesuffix(".")
    return Words(said, "nothing changed", f"gatekeep suggest show {suggestion_id}")


def not_what_was_seen(suggestion_id: str) -> Words:
    """It is not any more what the caller was shown."""
    return Words(
        f"{suggestion_id} is not what was shown",
        "it, or what speaks against it, has changed; nothing changed",
        f"gatekeep suggest show {suggestion_id}",
    )


def already_over(suggestion_id: str, state: str) -> Words:
    """It is not open any more."""
    return Words(
        f"{suggestion_id} is {state} already", "nothing changed", f"gatekeep suggest show {suggestion_id}"
    )
