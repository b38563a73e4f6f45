"""The adopted layer as a file: whole or not at all, only what is in force, never in the way of a start."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from support import proof_world as example
from support.loop_world import RULE_ID, relaxation

from gatekeep.domain.suggestions import SuggestionKind, SuggestionLife, SuggestionState
from gatekeep.errors import JournalUnavailable, SettingsError
from gatekeep.loop_layer import (
    fitted,
    layer_path,
    read_layer,
    write_layer,
)
from gatekeep.loop_layer_text import composed, layer_text, with_layer

FORBID = '@id("no-dd") forbid (principal, action == Action::"ssh.exec", resource) when { context.argv.contains("dd") };'


def life(state: SuggestionState = SuggestionState.CANARY, **changes: object) -> SuggestionLife:
    """The example's relaxation in this state."""
    one = replace(relaxation(), **changes)  # type: ignore[arg-type]  # values by name
    return SuggestionLife(one, state, 1)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A directory with the example's rules."""
    place = tmp_path / "policy"
    place.mkdir()
    (place / "rules.cedar").write_text(example.RULES)
    return place


def test_only_rules_in_force_stand_in_it() -> None:
    """Neither what is tried, nor advice, nor what is over."""
    assert RULE_ID in layer_text([life()], {})
    for state in SuggestionState:
        assert (RULE_ID in layer_text([life(state)], {})) is state.rules
    assert layer_text([life(kind=SuggestionKind.WORDS)], {}) == ""


def test_the_same_rules_are_the_same_text_in_whatever_order() -> None:
    """Else each restart would be another version."""
    other = life(id="S-2", rule_id="no-dd", rule=FORBID, kind=SuggestionKind.GATE)
    text = layer_text([life(), other], {})
    assert text == layer_text([other, life()], {"adopted.cedar": text})
    assert text.index(RULE_ID) < text.index("no-dd")


def test_the_file_is_ours_alone_and_whole(tmp_path: Path) -> None:
    """0600, replaced at once, gone without rules."""
    write_layer(tmp_path, composed([FORBID]))
    path = layer_path(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert FORBID in read_layer(tmp_path)
    assert [one.name for one in path.parent.iterdir()] == ["adopted.cedar"]
    write_layer(tmp_path, "")
    assert read_layer(tmp_path) == ""
    write_layer(tmp_path, "")


def test_a_state_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """As a journal that cannot."""
    (tmp_path / "policy").write_text("no directory")
    with pytest.raises(JournalUnavailable):
        write_layer(tmp_path, composed([FORBID]))


def test_files_and_layer_make_one_version(policy: Path) -> None:
    """Also where the layer was exported to the files earlier, and is another now."""
    (policy / "adopted.cedar").write_text(composed(["// of yesterday"]))
    found = fitted(policy, layer_text([life()], {}))
    assert [one.id for one in found.version.standing] == [RULE_ID]
    assert found.dropped == ()
    assert "adopted.cedar" not in fitted(policy, "").version.texts


@pytest.mark.parametrize("broken", ['@id("x") permit (principal', "nonsense;", FORBID + FORBID])
def test_what_does_not_fit_is_left_out_and_named(policy: Path, broken: str) -> None:
    """The rest of the layer counts."""
    layer = composed([life().suggestion.rule, broken])
    found = fitted(policy, layer)
    assert found.version.rule("looks") is not None
    if "permit (principal" not in broken:  # an open bracket takes the whole file
        assert [one.id for one in found.version.standing] == [RULE_ID]


def test_a_case_that_fails_by_an_adopted_rule_drops_the_rule(policy: Path) -> None:
    """The policy's own cases hold, whatever was accepted."""
    cases = policy / "cases"
    cases.mkdir()
    (cases / "own.yaml").write_text(
        "groups: {sre: [ann], leads: [lea]}\n"
        "targets: {web-1: {kind: ssh, environment: prod}}\n"
        "cases:\n"
        "  - {name: dd may be asked for, who: ann, on: web-1, command: dd if=a of=b, expect: ask}\n"
    )
    found = fitted(policy, composed([FORBID, life().suggestion.rule]))
    assert [one.rule_id for one in found.dropped] == ["no-dd"]
    assert [one.id for one in found.version.standing] == [RULE_ID]


def test_files_that_are_wrong_by_themselves_are_told_as_such(policy: Path) -> None:
    """The layer is not to blame."""
    (policy / "rules.cedar").write_text("permit (")
    with pytest.raises(SettingsError):
        fitted(policy, layer_text([life()], {}))


def test_a_layer_takes_the_place_of_the_one_before() -> None:
    """And of nothing else."""
    texts = {"rules.cedar": "a", "adopted.cedar": "b"}
    assert with_layer(texts, "c") == {"rules.cedar": "a", "adopted.cedar": "c"}
    assert with_layer(texts, "") == {"rules.cedar": "a"}
