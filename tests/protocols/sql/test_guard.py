"""Sizes that crash or stall the parser never reach it (12-threats C4)."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gatekeep.protocols.sql.guard import MAX_BYTES, too_dangerous

SHAPES = {
    "plus": ("SELECT 1", "+1", ""),
    "and": ("SELECT 1 WHERE a", " AND a", ""),
    "or": ("SELECT 1 WHERE a", " OR a", ""),
    "union": ("SELECT 1", " UNION SELECT 1", ""),
    "brackets": ("SELECT ", "(", "1"),
    "not": ("SELECT ", "NOT ", "true"),
    "case": ("SELECT ", "CASE WHEN true THEN ", "1"),
    "when": ("SELECT CASE ", "WHEN a THEN 1 ", "END"),
    "array": ("SELECT ", "ARRAY[", "1"),
    "in": ("SELECT 1 WHERE 1 IN (1", ",1", ")"),
    "cast": ("SELECT 1", "::int", ""),
    "is": ("SELECT a", " IS NULL", ""),
    "zone": ("SELECT a", " AT TIME ZONE b", ""),
    "collate": ("SELECT a", " COLLATE c", ""),
    "join": ("SELECT 1 FROM a", " CROSS JOIN a", ""),
    "call": ("SELECT ", "f(", "1"),
    "comment": ("SELECT 1 ", "/*", ""),
    "statements": ("", "SELECT 1;", ""),
    "concat": ("SELECT a", "||a", ""),
    "signs": ("SELECT ", "- ", "1"),
    "values": ("VALUES (1)", ",(1)", ""),
    "strings": ("SELECT 'a'", "\n'a'", ""),
}
CLOSERS = {"brackets": ")", "case": " END", "array": "]", "call": ")", "comment": "*/"}

CHILD = """
import sys, threading
from gatekeep.domain.sessions import SessionVector
from gatekeep.protocols.sql.reading import read_statements

head, middle, tail, closer, prefix = sys.argv[1:6]

def work(text):
    facts = read_statements(text, catalogue=None, vector=SessionVector())
    assert facts
    assert all(str(one.sql_class) != "read" for one in facts)

for count in (1_000, 2_500, 8_000, 16_000, 19_000, 100_000, 1_000_000):
    text = prefix + head + middle * count + tail + closer * count
    if len(text) <= 16_384:  # what an 8 MiB stack must bear
        work(text)
        continue
    threading.stack_size(64 * 1024 * 1024)
    thread = threading.Thread(target=work, args=(text,))
    thread.start()
    thread.join()
print("alive")
"""


@pytest.mark.parametrize("prefix", ["", "PREPARE p AS "])
@pytest.mark.parametrize("name", SHAPES)
def test_no_size_of_any_shape_kills_the_process(name: str, prefix: str) -> None:
    """1e3 to 1e6 repetitions, bare and in PREPARE: facts come back and the process lives."""
    head, middle, tail = SHAPES[name]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, head, middle, tail, CLOSERS.get(name, ""), prefix],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "alive", done.stderr[-2000:]


def test_what_is_refused_unparsed() -> None:
    """Each limit by itself."""
    assert too_dangerous("SELECT '" + "a" * MAX_BYTES + "'")
    assert too_dangerous("SELECT '" + "ä" * (MAX_BYTES // 2) + "'")
    assert too_dangerous("SELECT 1" + "+1" * 5_000)
    assert too_dangerous("SELECT " + "(" * 3_000)
    assert too_dangerous("SELECT 1 " + "/*" * 40)
    assert too_dangerous("SELECT 1\x00")


def test_ordinary_large_statements_pass() -> None:
    """A long IN list, a bulk INSERT of texts and a large JSON document are parsed."""
    assert too_dangerous("SELECT 1 WHERE a IN (1" + ",1" * 100_000 + ")") == ""
    assert too_dangerous("INSERT INTO t VALUES (1, 'a-b+c')" + ", (1, 'a-b+c/d')" * 10_000) == ""
    assert too_dangerous("INSERT INTO t VALUES ('" + '{"a": [1, -2]}' * 1_000 + "')") == ""
    assert too_dangerous("SELECT 1 " + "/* a */ " * 1_000) == ""
