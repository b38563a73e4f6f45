"""Payloads of action events: always JSON, whatever a client named things."""

from __future__ import annotations

import json

from support.builders import action, facts, judgement, session

from gatekeep.domain.commands import CommandFacts, SshAction
from gatekeep.domain.decisions import Verdict
from gatekeep.gate.command_evidence import command_payload
from gatekeep.gate.evidence import EvidenceWriter, Waited, session_fragment


def test_a_name_that_is_not_utf8_is_recorded() -> None:
    """Names come from the client as bytes; one that no JSON can hold is shown as far as it can be."""
    odd = b"a\xff".decode("utf-8", "surrogateescape")
    one = action("SELECT 1")._replace(portal_name=odd, statement_name="plain ä")
    written = EvidenceWriter().action(one, judgement(Verdict.ALLOW), session_fragment(session()))
    payload = json.loads(written)
    assert payload["portal"] == "a\N{REPLACEMENT CHARACTER}"
    assert payload["statement"] == "plain ä"


def test_long_facts_are_encoded_anew_and_not_kept() -> None:
    """Facts of the short and usual are encoded once; whoever sends long ones fills no memory."""
    writer, around = EvidenceWriter(), session_fragment(session())
    for known in (facts(), facts(template="x" * 20_000), facts(redacted="x" * 20_000)):
        one = action("SELECT 1", known)
        first, again = (writer.action(one, judgement(Verdict.ALLOW), around) for _ in range(2))
        assert first == again
    assert writer.kept == 1


def test_what_was_waited_for_stands_before_the_mode() -> None:
    """Where the index looks for keys; nothing of it where nothing was waited for."""
    writer, around = EvidenceWriter(), session_fragment(session())
    one, judged = action("SELECT 1"), judgement(Verdict.ALLOW)
    plain = writer.action(one, judged, around)
    asked = writer.action(one, judged, around, waited=Waited("K3F9"))
    sample = writer.action(one, judged, around, waited=Waited("K3F9", 'adopted-"1"'))
    assert asked == b'{"approval":"K3F9",' + plain[1:]
    assert sample == rb'{"approval":"K3F9","sample":"adopted-\"1\"",' + plain[1:]
    assert json.loads(sample)["sample"] == 'adopted-"1"'
    command = SshAction("exec", "id", (CommandFacts("ssh.exec", "id", ("id",)),), "id")
    over_ssh = command_payload(command, judged, around, waited=Waited("K3F9", "adopted-1"))
    assert list(json.loads(over_ssh))[:2] == ["approval", "sample"]
    assert not {"approval", "sample"} & set(json.loads(command_payload(command, judged, around)))
