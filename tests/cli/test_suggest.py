"""`gatekeep suggest`: evidence, change and effect in words; nobody accepts what was not shown."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema_rs
import pytest
import yaml
from support.api_callers import AskingGateway
from support.gateway_thread import Gatekeep, Told
from support.hostile_terminal import HOSTILE, forbidden
from support.terminal import on_terminal
from support.told_suggestions import BACKTEST, SAMPLE, SUGGESTION

from gatekeep.cli.exits import Exit
from gatekeep.domain.suggestions import SampleAnswer, SuggestionState
from gatekeep.feedback.seen import seen_digest
from gatekeep.web.approvals import OPERATIONS
from gatekeep.web.openapi import document

ID = SUGGESTION.id
DIGEST = seen_digest(SUGGESTION)[:12]
YES = ("--yes", "--digest", DIGEST, "--reason", "seen often enough")


def code_file(asking: AskingGateway, code: str) -> str:
    """A file with this code."""
    file = asking.state / "code"
    file.touch(0o600)
    file.write_text(code + "\n")
    return str(file)


def accepted(asking: AskingGateway, as_: Gatekeep, name: str, *more: str) -> Told:
    """A yes of this principal in a script, with a code."""
    file = code_file(asking, asking.world.code(name))
    return as_(name, "suggest", "accept", ID, *YES, "--code-file", file, *more)


def state(asking: AskingGateway, suggestion_id: str = ID) -> SuggestionState:
    """How it stands."""
    return asking.world.loop.lives[suggestion_id].state


def test_what_is_proposed_is_a_line_each(as_: Gatekeep) -> None:
    """Whole, tab-separated, most saving first; the adopted and the rest when asked for."""
    told = as_("bob", "suggest", "ls")
    lines = [line.split("\t") for line in told.out.splitlines()]
    assert (told.code, len(lines), lines[0][0]) == (0, 3, ID)
    assert lines[0][1:9] == ["proposed", "relax", "low", "3.2", "41", "0", "6", "0 of 2"]
    adopted = as_("bob", "suggest", "ls", "--status", "adopted").out.splitlines()
    assert {line.split("\t")[1] for line in adopted} == {"canary", "verified"}
    assert len(as_("bob", "suggest", "ls", "--status", "all").out.splitlines()) == 6
    assert as_("bob", "suggest", "ls", "--status", "expired").out == ""
    assert as_("bob", "suggest", "ls", "--status", "canary").out.startswith("S-ca4a4900\t")
    gates = as_("bob", "suggest", "ls", "--kind", "gate").out.splitlines()
    assert [line.split("\t")[0] for line in gates] == ["S-77c0ffee"]


def test_documents_are_what_the_api_says(as_: Gatekeep) -> None:
    """A list is a JSON list, one suggestion an object, by the schema of the API; YAML likewise."""
    schemas = document(OPERATIONS)["components"]["schemas"]
    for name, arguments in (
        ("SuggestionShape", ("show", ID)), ("BacktestShape", ("backtest", ID)), ("RunShape", ("run",)),
    ):  # fmt: skip
        found = json.loads(as_("bob", "suggest", *arguments, "-o", "json").out)
        jsonschema_rs.validate({"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}, found)
    listed = json.loads(as_("bob", "suggest", "ls", "-o", "json").out)
    assert listed[0]["id"] == ID
    assert yaml.safe_load(as_("bob", "suggest", "show", "S-3f9", "-o", "yaml").out)["id"] == ID


def test_one_is_shown_whole_in_order(as_: Gatekeep) -> None:
    """Sentence, evidence, wider forms, change, matrix, neighbours, checks, path, who must accept, effect."""
    out = as_("bob", "suggest", "show", ID).out
    expected = (
        "saves about 3.2 approvals and 21 min of waiting a week.", f"digest {DIGEST}",
        "asked: 41", "largest share of one asker and approver: 31%", "events: 184467, 184501, 185002",
        "12 not counted: repeats of one person on one day",
        "not proposed: restart *: would also pass what was denied twice (systemctl restart sshd)",
        '+@id("adopted-3f9a12bc")', "is asked → passes: 41", "of these held out, not used to find it: ",
        "systemctl restart sshd: is asked → is asked", "p-ann: 12 decided otherwise",
        "● passed: never-list: nothing destructive is in it", "narrower form, with --narrower:", '&& resource == Target::"web-1"',
        "On trial for 7 days", "2 persons have to accept it", "It has not been in force yet.",
    )  # fmt: skip
    places = [out.index(one) for one in expected]
    assert places == sorted(places)


def test_any_id_is_shown_by_the_short_way(as_: Gatekeep) -> None:
    """`gatekeep show` tells a suggestion from a session, whose code begins alike."""
    assert as_("bob", "show", ID).out == as_("bob", "suggest", "show", ID).out
    assert "audit.read" in as_("bob", "show", "S-8QZ4").err


def test_what_comes_next_is_said(as_: Gatekeep) -> None:
    """Under the state, for what is watched and for what is over; times carry their zone."""
    watched = as_("bob", "suggest", "show", "S-ca4a4900").out.splitlines()
    assert watched[1].startswith("next: Samples of what it lets pass want an answer")
    assert " UTC" in watched[0]
    over = as_("bob", "suggest", "show", "S-dead0001").out.splitlines()
    assert over[1].startswith("next: What it let pass is asked about as before. It is proposed again when")


def test_evidence_rule_and_effect_can_be_followed(as_: Gatekeep) -> None:
    """Every event that is known, one a line, for an auditor; samples for whoever may see them."""
    rows = [line.split("\t") for line in as_("bob", "suggest", "explain", ID).out.splitlines()]
    assert [row[1] for row in rows if row[0] == "evidence"] == ["184467", "184501", "185002"]
    assert [row[1] for row in rows if row[0] == "counter-example"] == ["173002", "173044"]
    assert ["rule", "", "adopted-3f9a12bc"] in rows
    adopted = as_("bob", "suggest", "explain", "S-ca4a4900").out
    assert "sample\t190001\tP-1a2b3c4d: not answered yet" in adopted
    assert "effect\t\tactual, matches a week: 3" in adopted


def test_a_replay_that_fails_is_exit_8(asking: AskingGateway, as_: Gatekeep) -> None:
    """Its matrix is data, what it means is talk."""
    told = as_("bob", "suggest", "backtest", ID)
    assert told.code == 0
    assert "is asked\tpasses\t41\tall" in told.out
    bad = replace(BACKTEST, passed=False, why="what people denied would pass", denied_now_passing=(7,))
    asking.world.loop.replay = bad
    told = as_("bob", "suggest", "backtest", ID)
    assert told.code == Exit.CHECK_FAILED
    assert "denied by people, would pass: 7" in told.err


def test_two_persons_accept_in_scripts(asking: AskingGateway, as_: Gatekeep) -> None:
    """Each with digest, reason and code; what changes is shown all the same; a second yes of one is exit 6."""
    first = accepted(asking, as_, "bob")
    assert (first.code, first.out) == (0, "")
    assert '+@id("adopted-3f9a12bc")' in first.err
    assert "1 more person has to accept it" in first.err
    asking.world.clock.pass_s(31)
    again = accepted(asking, as_, "bob")
    assert (again.code, "You have accepted it already" in again.err) == (Exit.DECIDED_OTHERWISE, True)
    second = accepted(asking, as_, "carol", "-o", "json")
    assert json.loads(second.out)["suggestion"]["state"] == "shadow"
    late = accepted(asking, as_, "bob")
    assert (late.code, "on trial" in late.err) == (Exit.DECIDED_OTHERWISE, True)


def test_a_script_accepts_only_what_it_read(asking: AskingGateway, as_: Gatekeep) -> None:
    """No digest, no reason, no terminal: exit 2; another digest: exit 6; a wrong code: exit 3."""
    for arguments in (
        (), ("--yes",), ("--yes", "--digest", DIGEST), ("--yes", "--digest", "12", "--reason", "x"),
        (*YES, "--narrower"),
    ):  # fmt: skip
        if "--narrower" in arguments:
            told = as_("bob", "suggest", "accept", "S-77c0ffee", *arguments)
        else:
            told = as_("bob", "suggest", "accept", ID, *arguments)
        assert told.code == Exit.USAGE, arguments
    wrong = ("--yes", "--digest", "0" * 12, "--reason", "x", "--code-file", code_file(asking, "000000"))
    assert as_("bob", "suggest", "accept", ID, *wrong).code == Exit.DECIDED_OTHERWISE
    file = code_file(asking, "000000")
    assert as_("bob", "suggest", "accept", ID, *YES, "--code-file", file).code == Exit.NOT_ALLOWED
    assert state(asking) is SuggestionState.PROPOSED


def test_on_a_terminal_the_change_comes_before_the_question(asking: AskingGateway) -> None:
    """Then the reason, then the code, which is not shown; anything but a yes changes nothing."""
    code = asking.world.code("bob")
    arguments = ("suggest", "accept", ID, "--token-file", str(asking.token_file("bob")))
    keys = (
        ("[y/N] ", b"y\n"), ("why? ", b"seen often enough\n"), ("authenticator: ", f"{code}\n".encode()),
    )  # fmt: skip
    ended, written = on_terminal(asking.state, *arguments, keys=keys, size=(120, 50))
    assert ended == 0, written
    assert written.index("adopted-3f9a12bc") < written.index("[y/N]")
    assert "Somebody else has to, too. [y/N]" in written
    assert code not in written
    ended, written = on_terminal(asking.state, *arguments, keys=(("[y/N] ", b"n\n"),))
    assert (ended, "not decided" in written) == (Exit.FAILED, True)


def test_no_not_now_and_back(asking: AskingGateway, as_: Gatekeep) -> None:
    """Each with its reason; what was decided otherwise is exit 6."""
    assert as_("bob", "suggest", "dismiss", ID).code == Exit.USAGE
    assert as_("bob", "suggest", "snooze", ID, "--for", "14d").code == 0
    assert state(asking) is SuggestionState.SNOOZED
    assert as_("bob", "suggest", "dismiss", ID, "--reason", "too wide").code == 0
    assert state(asking) is SuggestionState.DISMISSED
    assert as_("bob", "suggest", "dismiss", ID, "--reason", "x").code == Exit.DECIDED_OTHERWISE
    assert as_("bob", "suggest", "revert", "S-ca4a", "--reason", "an incident").code == 0
    assert state(asking, "S-ca4a4900") is SuggestionState.REVERTED
    assert as_("bob", "suggest", "revert", "S-ca4a", "--reason", "x").code == Exit.DECIDED_OTHERWISE


def test_taking_back_what_asks_more_takes_a_code(asking: AskingGateway, as_: Gatekeep) -> None:
    """It lets more pass: exit 2 without one in a script, 3 for a wrong one."""
    loop = asking.world.loop
    loop.lives["S-77c0ffee"] = replace(loop.lives["S-77c0ffee"], state=SuggestionState.ACTIVE)
    revert = ("suggest", "revert", "S-77c0ffee", "--reason", "too many questions")
    bare = as_("bob", *revert)
    assert (bare.code, "two persons" in bare.err) == (Exit.USAGE, True)
    wrong = as_("bob", *revert, "--code-file", code_file(asking, "000000"))
    assert wrong.code == Exit.NOT_ALLOWED
    right = as_("bob", *revert, "--code-file", code_file(asking, asking.world.code("bob")))
    assert (right.code, state(asking, "S-77c0ffee")) == (0, SuggestionState.REVERTED)


def test_forecast_stands_beside_actual(as_: Gatekeep) -> None:
    """The effect is data, how it stands is talk."""
    told = as_("bob", "suggest", "effect", "S-ca4a4900")
    assert told.out.startswith("forecast, matches a week\t3.2\nactual, matches a week\t3\n")
    assert "people who are new to it\t1: p-gus" in told.out
    assert "in force, closely watched" in told.err
    none = as_("bob", "suggest", "effect", ID)
    assert (none.out, "It has not been in force yet." in none.err) == ("", True)


def test_samples_are_answered(asking: AskingGateway, as_: Gatekeep) -> None:
    """By whoever may close reviews, too; what was wrong needs a reason, nobody answers for himself."""
    lines = as_("sam", "suggest", "samples").out.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["P-1a2b3c4d", "P-9f9f9f9f"]
    assert as_("sam", "suggest", "answer", SAMPLE.id, "wrong").code == Exit.USAGE
    told = as_("sam", "suggest", "answer", SAMPLE.id, "wrong", "--reason", "not that table")
    assert told.code == 0
    assert asking.world.loop.kept_samples[SAMPLE.id].answer is SampleAnswer.WRONG
    assert len(as_("sam", "suggest", "samples").out.splitlines()) == 1
    assert len(as_("sam", "suggest", "samples", "--all").out.splitlines()) == 2
    late = as_("sam", "suggest", "answer", SAMPLE.id, "right")
    assert (late.code, "sam said before that P-1a2b3c4d was wrong" in late.err) == (Exit.DECIDED_OTHERWISE, True)
    own = as_("alice-dba", "suggest", "answer", SAMPLE.id, "right")
    assert own.code == Exit.NOT_ALLOWED
    assert as_("sam", "suggest", "answer", "P-00", "right").code == Exit.NOT_FOUND


def test_the_loop_runs_on_demand(asking: AskingGateway, as_: Gatekeep) -> None:
    """What it proposed is data."""
    told = as_("bob", "suggest", "run")
    assert (told.code, told.out) == (0, f"{ID}\tproposed\n")
    assert "read 1,204 events in 0.8 s" in told.err
    assert asking.world.loop.runs == 1


@pytest.mark.parametrize("verb", ["show", "explain", "backtest", "effect"])
def test_what_is_not_there_and_what_is_not_allowed(as_: Gatekeep, verb: str) -> None:
    """5 for unknown ids and for what no id is, 3 without the right."""
    assert as_("bob", "suggest", verb, "S-00000000").code == Exit.NOT_FOUND
    assert as_("bob", "suggest", verb, "../requests").code == Exit.NOT_FOUND
    assert as_("dan", "suggest", verb, ID).code == Exit.NOT_ALLOWED


def test_hostile_text_is_spelt_out(asking: AskingGateway, as_: Gatekeep) -> None:
    """Whatever a title, a rule, a probe or a reason holds, no terminal obeys it."""
    bad = "".join(one[:200].decode("latin-1") for one in HOSTILE.values()).replace("\0", "\1")
    life = asking.world.loop.lives[ID]
    worse = replace(
        life.suggestion, title=bad, advice=bad, rule=bad, narrower=bad,
        scope=replace(life.suggestion.scope, templates=(bad,)),
    )  # fmt: skip
    asking.world.loop.lives[ID] = replace(life, suggestion=worse, reason=bad)
    for arguments in (("ls",), ("show", ID), ("explain", ID), ("effect", ID)):
        told = as_("bob", "suggest", *arguments)
        assert told.code == 0
        assert not forbidden(told.out), arguments
        assert not forbidden(told.err), arguments
