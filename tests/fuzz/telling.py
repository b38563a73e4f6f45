"""Fuzz target: what is told of a SQL text. Nothing raises, secrets stay out, and no text stalls."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from unittest.mock import patch

from support.sql_world import WORLD

from fuzz.draw import Draw
from gatekeep.domain.sessions import SessionVector
from gatekeep.protocols.postgres import segments
from gatekeep.protocols.sql import digest, reading
from gatekeep.protocols.sql.digest import looks_secret
from gatekeep.protocols.sql.guard import MAX_BYTES, SMALL, too_dangerous
from gatekeep.protocols.sql.shape import shape_of

_SECRET = "hunter2hunter2"  # noqa: S105 - what must not be found
_LITERALS = (
    "'{}'", "E'{}'", "e'a\\'{}'", "U&'{}'", "$${}$$", "$q$ {} $q$", "'a''{}'", "'a'\n'{}'", "N'{}'",
    "'x\u00e9\u2028{}'", "'-- {}'", "'/* {}'", "$a$ $$ {} $a$",
)  # fmt: skip
_HOLDERS = (
    "ALTER ROLE bob PASSWORD {}", "CREATE ROLE bob LOGIN PASSWORD {} VALID UNTIL 'never'",
    "CREATE USER MAPPING FOR bob SERVER s OPTIONS (user 'u', password {})",
    "ALTER USER MAPPING FOR bob SERVER s OPTIONS (SET password {})",
    "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host {})",
    "SELECT dblink_connect({})", "SELECT * FROM dblink({}, 'select 1') AS t(a int)",
    "CREATE SUBSCRIPTION s CONNECTION {} PUBLICATION p", "SELECT crypt({}, gen_salt('bf'))",
    "SELECT set_config('app.password', {}, false)", "UPDATE customers SET password_hash = {}",
    "INSERT INTO secrets VALUES ({}, 1)", "SELECT 1 /* the password: {} */",
    "EXPLAIN ALTER ROLE bob PASSWORD {}", "PREPARE p AS SELECT crypt({}, 'x')",
    "SELECT pgp_sym_encrypt(a, {}) FROM t",
)  # fmt: skip
_BEFORE = (
    "", " ", "/* x */ ", "-- x\n", "SELECT 1; ", ";;", "BEGIN; ", "\ufeff", "syntax error; ", "(",
    "SET standard_conforming_strings = off; ", "/* ", "\u00e9 ", "$1 ", "SELECT $$a$$; ",
)  # fmt: skip
_AFTER = (
    "", ";", "; SELECT 1", " )(", " '", ' "', " $$", " $q$", " /*", " */", " -- x", " E'\\'", "\ud800",
    "; ALTER ROLE eve PASSWORD 'b'", " nonsense", "; COMMIT", "\\",
)  # fmt: skip
_PIECES = (
    "SELECT ", "a", " FROM ", "orders", "t", " WHERE ", "=", "1", "'x'", "(", ")", ",", ";", "*", " AND ",
    "INSERT INTO ", " VALUES ", "UPDATE ", " SET ", "DELETE FROM ", "WITH x AS (", " RETURNING *",
    "CREATE TABLE ", "DROP TABLE ", "COPY ", " TO STDOUT", " FROM STDIN", "EXPLAIN ", "ANALYZE ",
    "PREPARE p AS ", "EXECUTE p", "DECLARE c CURSOR FOR ", "FETCH 1 FROM c", "SET ROLE ", "RESET ALL",
    "BEGIN;", "COMMIT;", "ROLLBACK;", "DO $$x$$", "CALL f()", "$1", "::int", "E'\\''", 'U&"d\\0061t"', "--",
    "/*", "*/", "$$", "$q$", "'", '"', "\\", "\n", "public.", "pg_catalog.", "lower(", "now()", "ARRAY[",
    "]", "CASE WHEN ", " THEN ", " END", " UNION ", " JOIN ", " ON ", "ORDER BY ", "evil", ".evil", "dom ",
    "\u00e9", "\u2028", "\x01", "0x1F", "1_000", "1e5", "GRANT ", "LOCK ", "VACUUM ", "MERGE INTO ", " USING ",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS ", "ALTER TABLE ", "LISTEN x", "LIMIT ", "IS NULL",
)  # fmt: skip
_UNITS = (
    "(", "'", '"', "/*", "*/", "--", "$", "$$", "$a", "\\", " ", "\n", "+", "::", "a", "1", ",", ";", "'a'",
    "E'\\", "://", ":@", "prepare", "-- prepare\n", "case", "not ", "end", "\u00e9", "'--", "\t(", "//:", "@",
)  # fmt: skip
_PLAIN = SessionVector()
_VECTORS = (_PLAIN, _PLAIN, SessionVector(standard_conforming_strings="off"))
_SECOND_NS = 1_000_000_000


def around() -> AbstractContextManager[object]:
    """Digests that cost little: how slow they are is another test's."""
    return patch.object(digest, "_ROUNDS", 1)


def check(draw: Draw) -> None:
    """One text, or one claim about a text."""
    way = draw.below(64)
    if way == 1 and draw.chance(30):  # a large text costs as much as a thousand small ones
        _never_stalls(draw)
    elif way < 24:
        _keeps_no_secret(draw)
    elif way < 44:
        _one_shape_one_meaning(draw)
    else:
        _is_read(draw)


def _keeps_no_secret(draw: Draw) -> None:
    """A literal of a statement that may hold secrets is nowhere in its facts."""
    literal = draw.choice(_LITERALS).format(_SECRET)
    text = draw.choice(_BEFORE) + draw.choice(_HOLDERS).format(literal) + draw.choice(_AFTER)
    view = draw.choice((WORLD, None))
    vector = draw.choice(_VECTORS)
    for one in reading.read_statements(text, catalogue=view, vector=vector):
        assert _SECRET not in repr(one), text


def _text(draw: Draw) -> str:
    return "".join(draw.choice(_PIECES) for _ in draw.times(24))


def _is_read(draw: Draw) -> None:
    """No rule stumbles: what `read_statements` would hide behind "opaque" is an error here."""
    text = _text(draw)
    if draw.chance(8):
        text = text[: draw.below(len(text) + 1)] + draw.some(8).decode("utf-8", "replace")
    vector = draw.choice(_VECTORS)
    facts = reading._read(text, draw.choice((WORLD, WORLD, None)), vector, frozenset(), None)
    for one in facts:
        assert one.verb
        assert one.template
        proven = one.sql_class != "read" or not one.unproven
        assert proven, text
    reading.ending_changes(facts)


def _one_shape_one_meaning(draw: Draw) -> None:
    """Two texts that differ in literals only: if they have one shape, they have the same facts."""
    pieces = [draw.choice(_PIECES) for _ in draw.times(12)]
    first = draw.choice(("7", "'x'", "'Select'", "0"))
    second = draw.choice(("123456789", "'y\u00e9 1'", "'a--b'", "'/*'", "99"))
    one = "".join(first if piece in {"1", "'x'"} else piece for piece in pieces)
    two = "".join(second if piece in {"1", "'x'"} else piece for piece in pieces)
    shape = shape_of(one)
    if shape is None or shape != shape_of(two):
        return
    facts = [reading._read(text, WORLD, _PLAIN, frozenset(), None) for text in (one, two)]
    told = [
        [(f.sql_class, f.verb, f.tables_read, f.tables_written, f.functions, f.columns, f.tags, f.unproven,
          f.tables_complete, f.functions_complete, f.columns_complete, f.transaction, f.vector_safe)
         for f in some]
        for some in facts
    ]  # fmt: skip
    assert told[0] == told[1], (one, two)


def _never_stalls(draw: Draw) -> None:
    """The scans that see every text are linear: the longest one takes no second, whatever repeats."""
    unit = "".join(draw.choice(_UNITS) for _ in range(1 + draw.below(5)))
    head = "".join(draw.choice(_UNITS) for _ in range(draw.below(4)))
    long = (head + unit * (MAX_BYTES // len(unit)))[: MAX_BYTES - 10]
    before = time.process_time_ns()
    too_dangerous(long)
    shape_of(long)
    looks_secret(long)
    segments._GIVES_NAMES.match(long)
    assert time.process_time_ns() - before < 4 * _SECOND_NS, f"{head!r} and {unit!r} repeated"
    short = long[:SMALL]
    before = time.process_time_ns()
    reading.read_statements(short, catalogue=WORLD, vector=_PLAIN)
    assert time.process_time_ns() - before < _SECOND_NS, f"{head!r} and {unit!r} to the parser"
