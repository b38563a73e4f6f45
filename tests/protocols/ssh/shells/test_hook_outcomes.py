"""Ends of released lines: each told once, with the status that is its own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gatekeep.protocols.ssh.shells.hook_outcomes import Outcomes
from gatekeep.protocols.ssh.shells.turns import Finished


def test_all_lines_of_one_command_end_at_its_prompt() -> None:
    """With the same status."""
    outcomes = Outcomes()
    outcomes.released(1)
    outcomes.released(2)
    assert outcomes.prompt(3, several=False) == [Finished(1, 3), Finished(2, 3)]
    assert outcomes.prompt(0, several=False) == []


def test_a_line_of_several_ends_with_the_last_of_its_prompts() -> None:
    """It is told when something is edited again."""
    outcomes = Outcomes()
    outcomes.released(1)
    assert outcomes.prompt(0, several=True) == []
    assert outcomes.prompt(5, several=False) == []
    assert outcomes.settle() == [Finished(1, 5)]
    assert outcomes.settle() == []


@given(st.lists(st.sampled_from(["released", "prompt", "several", "never", "settle", "finish"])))
def test_each_line_ends_once(steps: list[str]) -> None:
    """Whatever the order, and all of them at the end."""
    outcomes = Outcomes()
    told: list[int] = []
    count = 0
    for step in [*steps, "settle", "finish"]:
        turns = []
        if step == "released":
            count += 1
            outcomes.released(count)
        elif step == "settle":
            turns = outcomes.settle()
        elif step == "finish":
            turns = outcomes.finish(None)
        else:
            turns = outcomes.prompt(None if step == "never" else 0, several=step == "several")
        told += [turn.line_id for turn in turns if isinstance(turn, Finished)]
    assert sorted(told) == list(range(1, count + 1))
