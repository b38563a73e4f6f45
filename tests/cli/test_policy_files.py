"""Stories of policy on files: presets hold their cases, and every fault is told where it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.gateway_thread import Gatekeep

from gatekeep.cli.policy_directory import load_policy_directory
from gatekeep.errors import SettingsError

SHIPPED = Path(__file__).parents[2] / "config" / "policy"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A copy of the shipped policy directory."""
    copy = tmp_path / "policy"
    shutil.copytree(SHIPPED, copy)
    return copy


def test_the_active_policy_is_the_preset_balanced() -> None:
    """A fresh checkout starts from a preset that has its cases."""
    active = (SHIPPED / "balanced.cedar").read_text()
    assert active == (SHIPPED / "presets" / "balanced.cedar").read_text()
    assert load_policy_directory(SHIPPED).warnings == ()


def test_every_shipped_case_holds(gatekeep: Gatekeep) -> None:
    """The active policy and each preset decide as their cases say."""
    told = gatekeep("policy", "test", "--policy", str(SHIPPED))
    assert (told.code, told.err) == (0, "")
    assert told.out.endswith("cases, all as expected\n")
    for preset in ("permissive", "balanced", "strict"):
        assert (SHIPPED / "presets" / f"{preset}.cases.yaml").exists()


def test_a_case_that_differs_is_exit_8_and_names_the_rule(gatekeep: Gatekeep, rules: Path) -> None:
    """What was expected, what came, and where: a rule too many makes security approve DBA work."""
    (rules / "jobs.cedar").write_text(
        '\n@id("nightly-cleanup") permit (principal in Group::"engineers", '
        'action in Action::"sql", resource);\n'
    )
    told = gatekeep("policy", "test", "--policy", str(rules))
    assert told.code == 8
    # The more specific ask of a procedural statement is gone, so it is not asked about any more.
    assert ("expected" in told.out and "jobs.cedar:2)" in told.out) or "balanced.cedar" in told.out
    assert "not (exit 8):" in told.out


def test_check_says_what_loads(gatekeep: Gatekeep) -> None:
    """One line: version and number of rules."""
    told = gatekeep("policy", "check", "--policy", str(SHIPPED))
    assert told.code == 0
    assert told.out.startswith("policy ")
    assert told.out.endswith(" rules\n")


def test_check_counts_standing_rules_and_tells_silent_ones(gatekeep: Gatekeep, rules: Path) -> None:
    """One that answers a rule as it no longer reads is a warning, not an error."""
    (rules / "adopted.cedar").write_text(
        '@id("adopted-1") permit (principal in Group::"sre", action == Action::"ssh.exec", resource)\n'
        'when { context has asked_by && context.asked_by == ["gone:0123456789ab"] };\n'
    )
    told = gatekeep("policy", "check", "--policy", str(rules))
    assert told.code == 0
    assert told.out.endswith(" rules, 1 standing\n")
    assert "warning" in told.err
    assert "gone:0123456789ab" in told.err
    whole = json.loads(gatekeep("policy", "check", "--policy", str(rules), "-o", "json").out)
    assert whole["standing"] == 1


def test_check_names_file_line_rule_and_fix(gatekeep: Gatekeep, rules: Path) -> None:
    """All faults at once, exit 8, nothing on stdout."""
    (rules / "jobs.cedar").write_text(
        '// jobs\n\n@id("x") forbid (principal, action in Action::"sql", resource)\n'
        'when { context.verbb == "DROP" };\npermit (principal, action, resource);\n'
    )
    told = gatekeep("policy", "check", "--policy", str(rules))
    assert (told.code, told.out) == (8, "")
    assert f"error: {rules}/jobs.cedar:3: rule x: " in told.err
    assert "try: did you mean verb?" in told.err
    assert f"{rules}/jobs.cedar:5: has no @id" in told.err


def test_check_as_json(gatekeep: Gatekeep, rules: Path) -> None:
    """One document for tools."""
    (rules / "jobs.cedar").write_text("permit (principal, action, resource);")
    told = gatekeep("policy", "check", "--policy", str(rules), "-o", "json")
    document = json.loads(told.out)
    assert told.code == 8
    assert document["problems"][0]["line"] == 1


@pytest.mark.parametrize("make", [False, True])
def test_a_directory_without_policy_is_an_error(tmp_path: Path, make: bool) -> None:
    """Missing or empty: nothing would be permitted, so nothing starts."""
    path = tmp_path / "none"
    if make:
        path.mkdir()
    with pytest.raises(SettingsError) as caught:
        load_policy_directory(path)
    assert str(path) in str(caught.value)
    assert caught.value.fix


def test_explain_answers_one_line_for_each_line(gatekeep: Gatekeep, tmp_path: Path) -> None:
    """In order, with the keys of the public face; nothing else on stdout."""
    lines = tmp_path / "in.jsonl"
    texts = ["select 1", "drop table x", "", "sel ect", "begin"]
    lines.write_text("".join(json.dumps({"statement": text}) + "\n" for text in texts))
    told = gatekeep(
        "policy", "explain", "--principal", "alice", "--target", "orders", "--file", str(lines),
        "--policy", str(SHIPPED), "--catalogue", "none", "-o", "json",
    )  # fmt: skip
    answers = [json.loads(line) for line in told.out.splitlines()]
    assert told.code == 0
    assert [one["input"] for one in answers] == texts
    assert [one["class"] for one in answers] == ["procedural", "ddl", "read", "opaque", "session"]
    assert {one["verdict"] for one in answers} == {"deny"}
    assert "taken without groups" in told.err


def test_explain_survives_what_would_kill_a_small_stack(gatekeep: Gatekeep, tmp_path: Path) -> None:
    """60 kB of 1+1+1… is answered, as anything else (12-threats C4)."""
    lines = tmp_path / "in.jsonl"
    lines.write_text(json.dumps({"statement": "select 1" + "+1" * 30_000}) + "\n")
    told = gatekeep(
        "policy", "explain", "--principal", "alice", "--target", "orders", "--file", str(lines),
        "--policy", str(SHIPPED), "--catalogue", "none", "-o", "json",
    )  # fmt: skip
    assert (told.code, json.loads(told.out)["class"]) == (0, "opaque")


def test_explain_needs_exactly_one_input(gatekeep: Gatekeep) -> None:
    """None or two are wrong usage."""
    who = ("policy", "explain", "--principal", "a", "--target", "t", "--policy", str(SHIPPED))
    assert gatekeep(*who).code == 2
    assert gatekeep(*who, "--statement", "select 1", "--command", "ls").code == 2


def test_explain_reads_command_lines(gatekeep: Gatekeep, tmp_path: Path) -> None:
    """One by option, many among statements in a file; class is the Cedar action, tags those of all commands."""
    who = ("policy", "explain", "--principal", "a", "--target", "t", "--policy", str(SHIPPED))
    told = gatekeep(*who, "--command", "ls; sudo r\\m -rf /srv", "-o", "json")
    line = json.loads(told.out)
    assert (told.code, line["class"], line["verdict"]) == (0, "ssh.exec", "deny")
    assert [one["program"] for one in line["facts"]] == ["ls", "sudo", "rm"]
    assert {"destructive", "privilege"} <= set(line["tags"])
    lines = tmp_path / "in.jsonl"
    lines.write_text(
        '{"command": "ls )"}\n{"statement": "select 1"}\n{"command": "PGPASSWORD=hunter2 psql"}\n'
    )
    told = gatekeep(*who, "--file", str(lines), "--catalogue", "none")
    first, second, third = map(json.loads, told.out.splitlines())
    assert (first["class"], first["resolved"]) == ("ssh.opaque", False)
    assert second["input"] == "select 1"
    assert third["redacted"] == "PGPASSWORD=*** psql"
    lines.write_text('{"commando": "ls"}\n')
    assert gatekeep(*who, "--file", str(lines)).code == 2


def test_explain_command_for_people(gatekeep: Gatekeep) -> None:
    """The same words as for a statement."""
    told = gatekeep(
        "policy", "explain", "--principal", "alice", "--target", "web", "--command", "rm x",
        "--policy", str(SHIPPED),
    )  # fmt: skip
    assert told.out.startswith("verdict: deny\nclass: ssh.exec\ntags: destructive writes\n")


def test_explain_for_people(gatekeep: Gatekeep) -> None:
    """Verdict first, then why."""
    told = gatekeep(
        "policy", "explain", "--principal", "alice", "--target", "orders", "--statement",
        "drop table x", "--policy", str(SHIPPED), "--catalogue", "none",
    )  # fmt: skip
    assert told.out.startswith("verdict: deny\nclass: ddl\n")
