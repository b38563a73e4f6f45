"""What voters hear: who, what, and that nothing changed where nothing did; the same at every door."""

from __future__ import annotations

import pytest

from gatekeep.messages import deciding

AT_US = (14 * 3600 + 20 * 60 + 7) * 1_000_000


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], ""), (["bob"], "bob"), (["bob", "carol"], "bob or carol"),
        (["bob", "carol", "dave"], "bob, carol or dave"), (["b\x1b[2Job"], "b\\x1b[2Job"),
    ],
)  # fmt: skip
def test_names_are_listed(names: list[str], said: str) -> None:
    """As people say them; what could move a cursor is shown as it is written."""
    assert deciding.listed(names) == said


def test_names_are_joined_as_told() -> None:
    """Or, unless it is and."""
    assert deciding.listed(["bob", "carol"], "and") == "bob and carol"


@pytest.mark.parametrize(
    ("state", "by", "said"),
    [
        ("approved", "bob", "bob already approved K3F9 at 14:20 UTC. Nothing changed."),
        ("denied", "bob", "bob already denied K3F9 at 14:20 UTC. Nothing changed."),
        ("withdrawn", "alice", "K3F9 was withdrawn by alice at 14:20 UTC. Nothing changed."),
        ("withdrawn", "", "K3F9 was withdrawn by the gateway at 14:20 UTC. Nothing changed."),
        ("expired", "", "K3F9 was not answered in time and is closed. Nothing changed."),
    ],
)
def test_who_comes_late_hears_who_was_first(state: str, by: str, said: str) -> None:
    """By name and time."""
    assert deciding.already("K3F9", state, by, AT_US) == said
    assert " at " not in deciding.already("K3F9", "denied", "bob", 0)


def test_whoever_asked_hears_who_can_decide() -> None:
    """By name, as in Slack; where nobody can, no names are made up."""
    assert deciding.own("K3F9", ["bob", "carol"]) == (
        "You asked for K3F9, so someone else must decide: bob or carol."
    )
    assert deciding.own("K3F9", []).endswith("someone else must decide.")


@pytest.mark.parametrize("why", ["owner", "delegate", "machine", "added", "outsider"])
def test_every_reason_has_its_words(why: str) -> None:
    """Each other ones, with the request and with who can."""
    said = deciding.not_yours("K3F9", why, ["bob"])
    assert "K3F9" in said
    assert said.endswith("so someone else must decide: bob.")
    others = {"owner", "delegate", "machine", "added", "outsider"} - {why}
    assert said not in {deciding.not_yours("K3F9", other, ["bob"]) for other in others}


@pytest.mark.parametrize(
    "said",
    [
        deciding.voted_before("K3F9"), deciding.seat_taken("K3F9"), deciding.other_digest("K3F9"),
        deciding.needs_factor("K3F9"), deciding.needs_reason("K3F9"), deciding.not_requester("K3F9"),
        deciding.scope_not_offered("K3F9", "session"),
    ],
)  # fmt: skip
def test_what_changed_nothing_says_so(said: str) -> None:
    """With the request's name."""
    assert "K3F9" in said
    assert said.endswith("Nothing changed.")


@pytest.mark.parametrize(
    ("sets", "extra", "denier", "said"),
    [
        ([["dba"]], 0, "", "it takes one of dba"),
        ([["dba:2"]], 0, "", "it takes 2 of dba"),
        ([["dba", "security"]], 0, "", "it takes one of dba and one of security"),
        ([["dba:2"], ["lead"]], 0, "", "it takes 2 of dba or one of lead"),
        ([["dba"]], 1, "bob", "it takes one of dba, and bob or one vote more"),
    ],
)
def test_what_is_needed_is_said(sets: list[list[str]], extra: int, denier: str, said: str) -> None:
    """Groups with their numbers, alternatives, and what a denial has added."""
    assert deciding.still_needed(sets, extra, denier) == said


def test_what_a_vote_has_done() -> None:
    """It counts, it decided, it decided for less than was said, or it found policy changed."""
    assert deciding.counted("K3F9", "approve", "it takes 2 of dba") == (
        "Your vote on K3F9 counts (approve); it takes 2 of dba."
    )
    assert deciding.decided("K3F9", "approved") == "K3F9 approved."
    assert deciding.decided_once("K3F9", "approved").startswith("K3F9 approved once: ")
    assert deciding.fits_no_more("K3F9").endswith("Nothing was run.")


def test_a_sample_is_told() -> None:
    """The rule, and what the answer is for; nothing of what is none."""
    told = deciding.sample_of({"sample": "adopted-1"})
    assert told == "adopted rule adopted-1 would let this pass; the answer says whether it should"
    assert deciding.sample_of({}) == ""


def test_a_sample_names_its_suggestion() -> None:
    """By the rule's id; a standing rule that people wrote by hand has none."""
    assert deciding.suggestion_of({"sample": "adopted-3f9a12bc"}) == "S-3f9a12bc"
    assert deciding.suggestion_of({"sample": "restart-nginx"}) == ""
    assert deciding.suggestion_of({}) == ""
