"""The values of a template travel with what is asked, unless they might be secrets."""

from __future__ import annotations

from dataclasses import replace

from gatekeep.domain.approvals import RequestKind, Subject
from gatekeep.domain.grants import Slot
from gatekeep.gate.subjects import with_slots

SUBJECT = Subject(RequestKind.STATEMENT, "DELETE", "DELETE FROM t WHERE id = 42", "t", facts={"scopes": ["template"]})
SLOT = Slot(1, "number", "42")


def test_each_value_is_a_fact() -> None:
    """Number, type, value, whether it was bound and whether it is sensitive, as plain values."""
    facts = with_slots(SUBJECT, [SLOT]).facts
    assert facts["slots"] == [
        {"number": 1, "type": "number", "value": "42", "bound": False, "sensitive": False}
    ]
    assert facts["scopes"] == ["template"]


def test_nothing_of_a_redacted_text() -> None:
    """Where a secret was taken out of the text it must not come back as a value."""
    assert "slots" not in with_slots(replace(SUBJECT, redacted=True), [SLOT]).facts
    assert with_slots(SUBJECT, []) is SUBJECT
