"""Rules over files: operations of sftp, as its packets ask for them, before the real policy engine."""

from __future__ import annotations

import orjson
from support.builders import principal
from support.policies import engine
from support.sftp_talk import Talk, by_path, extended, open_

from gatekeep.domain.decisions import Verdict
from gatekeep.domain.targets import Target, TargetKind
from gatekeep.gate.command_words import refusal_lines
from gatekeep.messages import RuleWords
from gatekeep.policy.command_request import command_questions, command_request_json
from gatekeep.policy.request import Place
from gatekeep.protocols.ssh.files import sftp_packets as p

ALICE = principal("alice", "engineers")
WEB = Target("web-1", TargetKind.SSH, "web", 22, environment="prod")
PLACE = Place(ALICE, WEB, "deploy", "", "10.1.4.7:5000")
RULES = """
@id("files") permit (principal, action in [Action::"sftp.read", Action::"sftp.write"], resource);
@id("doors") @why("no") forbid (principal, action in [Action::"sftp"], resource)
when { context.tags.contains("persistence") || context.tags.contains("reads_secret") };
@id("motd") @why("no") forbid (principal, action in [Action::"sftp"], resource)
when { context.paths.contains("/srv/motd") };
"""


def verdict(packet: bytes, talk: Talk | None = None) -> tuple[Verdict, str]:
    """What the rules say of one request."""
    action = (talk or Talk()).submitted(packet).action
    over = engine(RULES)
    found = over.decide(over.standing(ALICE, WEB), command_questions(PLACE, action, None))
    assert orjson.loads(command_request_json(PLACE, action, None))["mode"] == "sftp"
    return found.verdict, found.rule


def test_rules_meet_the_operations() -> None:
    """Reads and writes pass, what opens a door does not, admin has no rule that permits it."""
    write = p.FLAG_WRITE | p.FLAG_CREATE
    assert verdict(open_(1, b"report"))[0] is Verdict.ALLOW
    assert verdict(open_(1, b"report", write))[0] is Verdict.ALLOW
    assert verdict(open_(1, b".ssh/authorized_keys", write)) == (Verdict.DENY, "doors")
    assert verdict(open_(1, b"d/../.ssh/id_rsa")) == (Verdict.DENY, "doors")
    assert verdict(by_path(p.REMOVE, 1, b"report"))[0] is Verdict.DENY
    renamed = extended(1, b"posix-rename@openssh.com", p.string(b"a"), p.string(b"b"))
    assert verdict(renamed) == (Verdict.DENY, "")


def test_every_name_of_a_file_is_met() -> None:
    """By a link, by dots, and where the target does not say, by doubt."""
    linked = Talk({b".": b"/home/deploy", b"l": b"/srv/motd"}.get)
    assert verdict(open_(1, b"l"), linked) == (Verdict.DENY, "motd")
    assert verdict(open_(1, b"../../srv/./motd")) == (Verdict.DENY, "motd")
    assert verdict(open_(1, b"x\xff"))[0] is Verdict.DENY
    assert verdict(open_(1, b"/x"), Talk(home=None))[0] is Verdict.ALLOW
    assert verdict(open_(1, b"x"), Talk(home=None))[0] is Verdict.DENY


def test_the_words_say_what_was_refused() -> None:
    """One line that a client shows: the operation and the name."""
    action = Talk().submitted(by_path(p.REMOVE, 1, b"a\x1b")).action
    first = refusal_lines(action, "web-1", RuleWords("r"))[0]
    assert first == 'gatekeep: policy does not allow remove "a\\x1b" on web-1'
