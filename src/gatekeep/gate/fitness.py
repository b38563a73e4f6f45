"""Whether a statement is fit to be forwarded at all, whatever the policy says, and what it is.

Pure questions about one action; what follows from the answers is clearance's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from gatekeep import messages
from gatekeep.domain.actions import SqlAction, SqlClass, SqlFacts, TransactionVerb
from gatekeep.messages import WireMessage

TOO_LARGE: Final = "too_large"
"""Tag of an action whose message was too large to be judged; its text was never kept."""

UNSYNCED_CALL: Final = "unsynced_call"
"""Tag of a FunctionCall among messages that no Sync has ended: whose transaction is it then?"""

_ENDINGS: Final = frozenset(
    {TransactionVerb.ROLLBACK, TransactionVerb.ROLLBACK_TO, TransactionVerb.COMMIT}
)
_UNAMBIGUOUS: Final = re.compile(r"[A-Za-z0-9_\s]+;?\s*")
# It rolls a failed transaction back, as COMMIT does. Its name is a string that reads alike under
# either syntax; under an unknown one no facts are told of it.
_PREPARE: Final = re.compile(
    r"\s*prepare\s+transaction\s*'[a-z0-9_ .:-]*'\s*;?\s*", re.IGNORECASE | re.ASCII
)
_EMPTY: Final = re.compile(r"[\s;]*")


PLAIN_CLASSES: Final = frozenset({SqlClass.READ, SqlClass.WRITE, SqlClass.DDL})
PROVEN: Final = frozenset({SqlClass.READ})
_READ_ONLY_CLASSES: Final = frozenset({SqlClass.READ, SqlClass.SESSION})
_READ_ONLY_SETTINGS: Final = frozenset({"transaction_read_only", "default_transaction_read_only"})


class Objection(NamedTuple):
    """Why an action is refused: words for the client (None: the target's own), cause for the event."""

    message: WireMessage | None
    cause: bytes


def unfit(action: SqlAction, *, vector_known: bool) -> Objection | None:
    """Why an action could not be forwarded whatever the policy says; None when it could."""
    if not vector_known and not _ends_transaction(action):
        # Its meaning turns on a session vector that is unknown (12-threats C2): in a failed
        # transaction, where the target's 25P02 says it.
        return Objection(None, b"vector")
    if TOO_LARGE in action.tags:
        return Objection(messages.too_large(), b"too_large")
    if UNSYNCED_CALL in action.tags:
        return Objection(messages.not_offered("a FunctionCall within a pipeline"), b"not_offered")
    if any("session_authorization" in fact.settings for fact in action.facts):
        # It is no part of the session vector, and "$user" in search_path would follow it.
        return Objection(messages.not_offered("SET SESSION AUTHORIZATION"), b"not_offered")
    return None


def verbs_of(facts: Sequence[SqlFacts]) -> str:
    """The verbs of an action's statements, for words."""
    return ", ".join(dict.fromkeys(fact.verb for fact in facts)) or "this"


def leaves_read_only(action: SqlAction) -> bool:
    """Whether it is unproven, or could end the read-only state of a session that may only read.

    The second wall of 12-threats C1: it stands although policy would refuse these anyway.
    """
    return any(
        fact.sql_class not in _READ_ONLY_CLASSES or not fact.settings.isdisjoint(_READ_ONLY_SETTINGS)
        for fact in action.facts
    )


def is_rollback(action: SqlAction) -> bool:
    """ROLLBACK and ROLLBACK TO are never refused: they only give up what was not committed."""
    return bool(action.facts) and all(
        fact.transaction in (TransactionVerb.ROLLBACK, TransactionVerb.ROLLBACK_TO)
        for fact in action.facts
    )


def _ends_transaction(action: SqlAction) -> bool:
    """Whether the text ends a failed transaction under either string syntax, or is empty."""
    if _EMPTY.fullmatch(action.text) or _PREPARE.fullmatch(action.text):
        return True
    return (
        len(action.facts) == 1
        and action.facts[0].transaction in _ENDINGS
        and _UNAMBIGUOUS.fullmatch(action.text) is not None
    )
