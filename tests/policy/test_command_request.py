"""Commands and tunnels before the policy: every fact must be permitted, the unknown counts against."""

from __future__ import annotations

import orjson
from support.builders import principal
from support.policies import engine

from gatekeep.domain.commands import Assurance, CommandFacts, SshAction, TunnelFacts
from gatekeep.domain.decisions import Decision, Verdict
from gatekeep.domain.targets import Target, TargetKind
from gatekeep.gate.command_evidence import command_payload
from gatekeep.gate.ports import Judgement
from gatekeep.policy.command_request import command_questions, command_request_json
from gatekeep.policy.request import Place

ALICE = principal("alice", "engineers")
WEB = Target("web-1", TargetKind.SSH, "web", 22, environment="prod")
PLACE = Place(ALICE, WEB, "deploy", "", "10.1.4.7:5000")
RULES = """
@id("exec") permit (principal, action == Action::"ssh.exec", resource);
@id("no-rm") @why("no") forbid (principal, action == Action::"ssh.exec", resource)
when { context.argv.contains("rm") };
@id("net") permit (principal, action == Action::"tunnel.open", resource)
when { context has address && context.address.isInRange(ip("10.0.0.0/8")) };
@id("agent") permit (principal, action == Action::"agent.forward", resource);
"""


def decide(action: SshAction) -> Decision:
    """The decision of the rules above."""
    over = engine(RULES)
    return over.decide(over.standing(ALICE, WEB), command_questions(PLACE, action, None))


def run(*facts: CommandFacts | TunnelFacts, resolved: bool = True) -> SshAction:
    """An action of these facts."""
    return SshAction("exec", "…", facts, resolved=resolved)


def test_the_strictest_simple_command_decides() -> None:
    """One that is forbidden among many allowed is enough."""
    ls = CommandFacts("ssh.exec", "ls", ("ls", "-l"))
    rm = CommandFacts("ssh.exec", "rm", ("rm", "x"))
    assert decide(run(ls, ls)).verdict is Verdict.ALLOW
    assert decide(run(ls, rm, ls)).rule == "no-rm"


def test_what_is_not_known_counts_as_forbidden() -> None:
    """Words that are not literal, and lines that were not read for sure, may be the forbidden ones."""
    hidden = CommandFacts("ssh.exec", "", (), complete=False)
    assert decide(run(hidden)).rule == "no-rm"
    assert decide(run(CommandFacts("ssh.exec", "ls", ("ls",)), resolved=False)).rule == "no-rm"


def test_a_tunnel_is_judged_by_its_address_where_there_is_one() -> None:
    """A name that the target resolves has none, and no rule over addresses permits it."""
    assert decide(run(TunnelFacts("tunnel.open", "db", 5432, "10.1.1.1"))).verdict is Verdict.ALLOW
    assert decide(run(TunnelFacts("tunnel.open", "db", 5432, "192.0.2.1"))).verdict is Verdict.DENY
    unresolved = TunnelFacts("tunnel.open", "db", 5432, "", "target")
    assert decide(run(unresolved)).verdict is Verdict.DENY


def test_agent_forwarding_is_asked_for_by_itself() -> None:
    """It has a rule of its own, over who and where alone."""
    assert decide(run(CommandFacts("agent.forward"))).verdict is Verdict.ALLOW


def test_the_request_is_kept_whole() -> None:
    """Evidence holds what the policy was asked, each fact by itself."""
    shown = orjson.loads(
        command_request_json(
            PLACE,
            SshAction("exec", "ls", (CommandFacts("ssh.exec", "ls", ("ls",)),), assurance=Assurance.EXACT),
            None,
        )
    )
    assert shown["commands"][0]["argv"] == ["ls"]
    assert shown["assurance"] == "exact"
    assert shown["target"]["kind"] == "ssh"


def test_a_secret_that_is_not_in_the_text_is_nowhere_in_the_record() -> None:
    """Policy reads the words as they are; what is written down has those alone that the text shows."""
    line = "mysql -phunter2 --user=app shop /etc/hunter2.cnf"
    words = tuple(line.split())
    fact = CommandFacts(
        "ssh.exec", "mysql", words, frozenset({"-phunter2"}), frozenset({"/etc/hunter2.cnf"})
    )
    action = SshAction(
        "exec", line, (fact,), redacted="mysql -p*** --user=app shop ***", digest="d"
    )
    (asked,) = command_questions(PLACE, action, None)
    assert "-phunter2" in asked.context["argv"]
    recorded = command_request_json(PLACE, action, None)
    assert b"hunter2" not in recorded
    shown = orjson.loads(recorded)
    assert shown["masked"]
    assert shown["commands"][0]["argv"] == ["***", "--user=app", "mysql", "shop"]
    decision = Decision(Verdict.ALLOW, "exec", "", "0123456789ab")
    judged = Judgement(decision, recorded, b"{}", b"{}")
    assert b"hunter2" not in command_payload(action, judged, b"{}")
    open_one = SshAction("exec", "ls", (CommandFacts("ssh.exec", "ls", ("ls",)),), redacted="ls")
    assert b"masked" not in command_request_json(PLACE, open_one, None)
