"""What is said inside a shell: whole lines that open with our name, and say what was not done."""

from __future__ import annotations

import pytest

from gatekeep.messages import PREFIX, shell


@pytest.mark.parametrize(
    "words",
    [
        shell.hidden_refused(8),
        shell.line_changed(),
        shell.keys_ignored(),
        shell.full_screen_refused(),
        shell.no_prompt_seen(),
    ],
)
def test_every_line_says_who_speaks(words: tuple[str, ...]) -> None:
    """Plain lines without controls."""
    assert words
    assert all(word.startswith(PREFIX) and word.isprintable() for word in words)


def test_a_refusal_says_what_was_not_done() -> None:
    """And of what was typed only how much."""
    assert shell.hidden_refused(8)[-1] == "gatekeep: nothing was run"
    assert shell.hidden_refused(8)[0].startswith("gatekeep: 8 characters")
    assert shell.line_changed()[-1] == "gatekeep: nothing was run"
