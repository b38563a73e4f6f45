"""Stories of cases over SSH: lines that are read, facts that are given, slips that are refused."""

from __future__ import annotations

from typing import Any

import pytest
from support.policies import engine

from gatekeep.domain.actions import SqlFacts
from gatekeep.domain.commands import CommandFacts, SshAction
from gatekeep.errors import SettingsError
from gatekeep.policy.cases import read_cases, report, run_cases

RULES = """
@id("run") permit (principal in Group::"engineers", action in Action::"ssh", resource);
@id("no-rm") @why("no") forbid (principal, action in Action::"ssh", resource) when { context.argv.contains("rm") };
@id("get") permit (principal in Group::"engineers", action == Action::"sftp.read", resource)
when { context.paths.contains("/srv/x") };
@id("net") permit (principal in Group::"engineers", action == Action::"tunnel.open", resource) when { context.port == 5432 };
@id("agent") permit (principal in Group::"engineers", action == Action::"agent.forward", resource);
"""


def document(*cases: dict[str, Any]) -> dict[str, Any]:
    """A document of these cases, each about alice on web-1."""
    return {
        "groups": {"engineers": ["alice"]},
        "targets": {"web-1": {"kind": "ssh", "environment": "prod"}},
        "cases": [{"name": f"case {n}", "who": "alice", "on": "web-1", **one} for n, one in enumerate(cases)],
    }


def _action_of(text: str, action: str) -> SshAction:
    return SshAction("exec", text, (CommandFacts(action, text.split(maxsplit=1)[0], tuple(text.split())),))


def _no_facts(_text: str, _catalogue: str) -> tuple[SqlFacts, ...]:
    return ()


def test_lines_and_facts_are_judged() -> None:
    """A line is read by what is handed in; facts are taken as they stand."""
    over = engine(RULES)
    cases = read_cases(
        "c.yaml",
        document(
            {"command": "ls x", "expect": "allow", "rule": "run"},
            {"command": "rm x", "expect": "deny", "rule": "no-rm"},
            {"command": "ls x", "action": "ssh.line", "expect": "allow"},
            {"action": "ssh.exec", "facts": {"program": "ls", "argv": ["ls"]}, "expect": "allow"},
            {"action": "ssh.exec", "facts": {"program": "ls", "complete": False}, "expect": "deny"},
            {"action": "ssh.line", "facts": {"program": "ls", "resolved": False}, "expect": "deny"},
            {"action": "ssh.shell", "expect": "allow"},
            {"action": "sftp.read", "facts": {"paths": ["/srv/x"]}, "expect": "allow"},
            {"action": "sftp.write", "facts": {"paths": ["/srv/x"]}, "expect": "deny"},
            {"action": "tunnel.open", "facts": {"destination": "db", "port": 5432}, "expect": "allow"},
            {"action": "tunnel.open", "facts": {"destination": "db", "port": 22}, "expect": "deny"},
            {"action": "agent.forward", "expect": "allow"},
        ),
    ).cases
    assert report(run_cases(over, cases, _no_facts, _action_of), over) == ["12 cases, all as expected"]


def test_without_a_reader_no_line_is_allowed() -> None:
    """A command that nobody can read asks nothing, and nothing asked is denied."""
    over = engine(RULES)
    cases = read_cases("c.yaml", document({"command": "ls x", "expect": "deny"})).cases
    assert report(run_cases(over, cases, _no_facts), over) == ["1 cases, all as expected"]


@pytest.mark.parametrize(
    "case",
    [
        {"action": "ssh.exce", "expect": "deny"},
        {"action": "ssh.exec", "facts": {"programme": "ls"}, "expect": "deny"},
        {"action": "ssh.exec", "facts": ["ls"], "expect": "deny"},
        {"action": "tunnel.open", "facts": {"port": 1}, "expect": "deny"},
        {"action": "ssh.line", "facts": {"assurance": "perhaps"}, "expect": "deny"},
        {"action": "ssh.exec", "facts": {"tags": 5}, "expect": "deny"},
    ],
)
def test_a_case_with_a_slip_is_refused(case: dict[str, Any]) -> None:
    """As with statements: a slip would test something else."""
    with pytest.raises(SettingsError) as caught:
        read_cases("c.yaml", document(case))
    assert caught.value.fix


def test_a_target_is_of_a_known_kind() -> None:
    """There are two, postgres and ssh."""
    with pytest.raises(SettingsError, match="of no kind"):
        read_cases("c.yaml", {"targets": {"x": {"kind": "telnet"}}, "cases": []})
