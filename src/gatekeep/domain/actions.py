"""Actions: what a principal asks a target to do, and what is known about it (facts)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final, NamedTuple


class SqlClass(enum.StrEnum):
    """Class of a statement; each is the Cedar action `sql.<class>`.

    Ordered from mild to severe by `SEVERITY`: of several statements the severest stands for all.
    """

    READ = "read"
    SESSION = "session"
    WRITE = "write"
    COPY = "copy"
    PROCEDURAL = "procedural"
    DDL = "ddl"
    DCL = "dcl"
    OPAQUE = "opaque"


class TransactionVerb(enum.StrEnum):
    """What a transaction-control statement does to the open transaction."""

    NONE = ""
    BEGIN = "begin"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    SAVEPOINT = "savepoint"
    ROLLBACK_TO = "rollback_to"
    RELEASE = "release"
    PREPARE = "prepare"
    COMMIT_PREPARED = "commit_prepared"
    ROLLBACK_PREPARED = "rollback_prepared"


class WhereClause(enum.StrEnum):
    """Whether a statement restricts the rows it touches. A hint, never the only guard."""

    NOT_APPLICABLE = "n/a"
    ABSENT = "absent"
    PRESENT = "present"
    TAUTOLOGY = "tautology"


FUNCTION_CALL: Final = "function_call"
"""`mode` of a FunctionCall message: a function by its oid, and no SQL."""
COPY_IN: Final = "stdin"
"""`copy_target` of a COPY that takes rows from the client."""
COPY_OUT: Final = "stdout"
"""`copy_target` of a COPY that gives rows to the client."""


class NameKind(enum.StrEnum):
    """What a session gives names to; each kind has names of its own."""

    STATEMENT = "statement"
    CURSOR = "cursor"
    HELD_CURSOR = "held cursor"


class Naming(NamedTuple):
    """A name of one session, as its target keeps it. HELD_CURSOR only where one is made."""

    kind: NameKind
    name: str


@dataclass(frozen=True, slots=True)
class SqlFacts:
    """What is known about one SQL statement.

    Names are canonical (`schema.name` as stored) where the catalogue knows them; the name as
    written is kept in the same set. The `*_complete` flags are false when the set may lack
    members (opaque, procedural, unknown relation, `*` without catalogue): a `forbid` that
    reads an incomplete set is treated as matching.

    `template` is gatekeep's own normal form, with literals as slots. `redacted` is the
    statement's text, safe for events: secrets replaced. `unproven` names what broke the proof
    of `read`. `vector_safe` is false when the session vector is unknown after the statement
    (12-threats C2). `values_read` is true when any of these facts depended on the *value* of a
    literal; if false, the facts hold for every statement of the same shape.
    `settings` are names of settings (GUCs) that the statement changes, `roles` names of roles
    it assumes, grants, alters or creates. `copy_target` is `stdin`, `stdout`, `file …` or
    `program …` for a COPY. `gives` is the name that the statement makes, `takes` the one whose
    meaning it has (EXECUTE, FETCH, CURRENT OF); `source` is the redacted text of the statement
    found behind it, empty while that is not known.
    """

    sql_class: SqlClass
    verb: str
    redacted: str
    template: str
    tables_read: frozenset[str] = frozenset()
    tables_written: frozenset[str] = frozenset()
    columns: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    tables_complete: bool = True
    functions_complete: bool = True
    columns_complete: bool = True
    where: WhereClause = WhereClause.NOT_APPLICABLE
    tags: frozenset[str] = frozenset()
    settings: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    copy_target: str = ""
    unproven: str = ""
    transaction: TransactionVerb = TransactionVerb.NONE
    vector_safe: bool = True
    values_read: bool = True
    gives: Naming | None = None
    takes: Naming | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class BoundValue:
    """One bind value of an execution, decoded for the record.

    `text` is the value as text (None for NULL). Values in a binary format that is not among
    the common ones, and long ones, are kept as `length` and `sha256` only, with `text` empty;
    `binary` tells then in which form they were: the same bytes mean something else in the other.
    `secret`: nobody is shown more of it than that it is there.
    """

    oid: int
    text: str | None
    length: int = 0
    sha256: str = ""
    binary: bool = False
    secret: bool = False


class SqlAction(NamedTuple):
    """One execution: the statement, its values, and what is known about it.

    `mode` is `simple` (one Query message, perhaps of several statements), `extended`, `startup`
    (a setting in the start-up packet) or `function_call`.
    `facts` has one entry a statement and may be shared by all statements of one shape, so events
    carry `redacted`, this action's own text with secrets replaced; `text` is what was sent, which
    only the target sees.
    """

    mode: str
    text: str
    facts: tuple[SqlFacts, ...]
    redacted: str = ""
    parameters: tuple[BoundValue, ...] = ()
    statement_name: str = ""
    portal_name: str = ""
    tags: frozenset[str] = frozenset()

    @property
    def vector_safe(self) -> bool:
        """Whether the session vector is still known after the action."""
        for fact in self.facts:  # noqa: SIM110 - asked for every statement; a generator costs thrice
            if not fact.vector_safe:
                return False
        return True

    def within(self, classes: frozenset[SqlClass]) -> bool:
        """Whether every statement's class is among these."""
        for fact in self.facts:  # noqa: SIM110 - as above
            if fact.sql_class not in classes:
                return False
        return True
