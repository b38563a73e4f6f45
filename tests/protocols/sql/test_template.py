"""Templates and redaction: what differs in more than literals differs; secrets never show."""

from __future__ import annotations

import pytest
from support.sql_world import one, read

# 12-threats C5: the second of each pair must not be covered by what was given to the first.
PAIRS = (
    ("SELECT a FROM t WHERE false", "SELECT a FROM t WHERE true"),
    ("SET ROLE a", "SET ROLE b"),
    (
        "SELECT set_config('work_mem', '1', false)",
        "SELECT set_config('role', 'postgres', false)",
    ),
    ("EXECUTE p1", "EXECUTE p2"),
    ("DO $$ BEGIN PERFORM 1; END $$", "DO $$ BEGIN DELETE FROM t; END $$"),
    (
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'",
    ),
    ("SELECT dblink_exec('SELECT 1')", "SELECT dblink_exec('DROP TABLE t')"),
    ("SELECT 1::int", "SELECT 1::mood"),
    ("SELECT a FROM t", "SELECT a AS b FROM t"),
    ("SELECT a FROM t WHERE id IN (1)", "SELECT a FROM t WHERE id IN (1, 2, 3, 4)"),
    ("SELECT a FROM t", "SELECT b FROM t"),
    ("SELECT a FROM t", "SELECT a FROM orders"),
    ("SELECT a FROM t WHERE id = 1", "SELECT a FROM t WHERE id = '1'"),
    ('SELECT "A" FROM t', "SELECT a FROM t"),
    ("ALTER ROLE a SUPERUSER", "ALTER ROLE b SUPERUSER"),
    ("COPY orders TO '/a'", "COPY orders TO '/b'"),
    ("FETCH 1 FROM c", "FETCH 1 FROM d"),
    ("PREPARE p AS DELETE FROM t WHERE id = 1", "PREPARE p AS DELETE FROM t WHERE id = 2"),
    ("TRUNCATE t", "TRUNCATE orders"),
)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_different_deeds_have_different_templates(first: str, second: str) -> None:
    """Pairs that a fingerprint takes for one."""
    assert one(first).template != one(second).template


def test_one_deed_has_one_template() -> None:
    """Literals, case, blanks and comments do not matter; slots carry the literal's kind."""
    forms = {
        one(text).template
        for text in (
            "SELECT a FROM t WHERE id = 1 AND b = 'x'",
            "select  A\nfrom T where ID=22 and B='y' -- why",
            "SELECT a FROM t WHERE id = 1 AND b = $$z$$;",
        )
    }
    assert forms == {"select a from t where id = $1:int and b = $2:text"}


@pytest.mark.parametrize(
    "text",
    [
        "ALTER ROLE bob PASSWORD 'hunter2'",
        "CREATE USER bob WITH ENCRYPTED PASSWORD E'hunter2'",
        "ALTER ROLE bob PASSWORD $$hunter2$$",
        "CREATE USER MAPPING FOR bob SERVER s OPTIONS (user 'x', password 'hunter2')",
        "CREATE USER MAPPING FOR bob SERVER s OPTIONS (token 'hunter2')",
        "ALTER SERVER s OPTIONS (SET passfile 'hunter2')",
        "CREATE SUBSCRIPTION s CONNECTION 'host=h user=u dbname=hunter2' PUBLICATION p",
        "SELECT dblink_connect('host=h user=hunter2')",
        "SELECT * FROM dblink('hunter2', 'select 1') AS x(a int)",
        "SET my.password = 'hunter2'",
        "SELECT set_config('app.secret', 'hunter2', false)",
        "UPDATE customers SET password_hash = 'hunter2' WHERE id = 1",
        "INSERT INTO customers (id, password_hash) VALUES (1, 'hunter2')",
        "SELECT pgp_sym_encrypt('data', 'hunter2')",
        "SELECT crypt('hunter2', gen_salt('bf'))",
        "COPY t TO PROGRAM 'psql postgres://bob:hunter2@h/d'",
        "ALTER ROLE bob PASSWORD 'hunter2' SYNTAX ERROR",
        "ALTER ROLE bob PASSWORD 'hunter2",
        "SELECT 'hunter2' FROM FROM",
        "SELECT 1; ALTER ROLE bob PASSWORD 'hunter2'",
        "ALTER ROLE bob /* hunter2 */ PASSWORD 'x'",
        "SET ROLE a; ALTER ROLE bob PASSWORD 'hunter2'",
    ],
)
def test_secrets_never_show(text: str) -> None:
    """No field of the facts holds the secret, with a tree or without one."""
    assert "hunter2" not in repr(read(text))


def test_ordinary_text_is_shown_whole() -> None:
    """Literals that are no secrets stay, and so does everything else."""
    text = "SELECT a FROM t WHERE b = 'x' -- why"
    assert one(text).redacted == text
