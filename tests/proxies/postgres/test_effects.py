"""What an action may leave to the end of its transaction."""

from __future__ import annotations

import pytest
from support import builders
from support.sql_world import read

from gatekeep.domain.actions import SqlClass
from gatekeep.proxies.postgres.effects import PutOff, turns_what_follows

_HELD = "DECLARE c CURSOR WITH HOLD FOR SELECT * FROM orders"


def _classes(put_off: PutOff, text: str, *, failed: bool = False) -> list[SqlClass]:
    return [fact.sql_class for fact in put_off.told(read(text), failed=failed)]


def test_a_commit_runs_what_was_put_off() -> None:
    """A cursor to fill and constraints to check make COMMIT procedural, ROLLBACK never."""
    for text in (_HELD, "SET CONSTRAINTS ALL DEFERRED"):
        put_off = PutOff()
        assert _classes(put_off, "COMMIT") == [SqlClass.SESSION]
        put_off.told(read(text), failed=False)
        assert _classes(put_off, "ROLLBACK") == [SqlClass.SESSION]
        assert _classes(put_off, "COMMIT") == [SqlClass.PROCEDURAL]
        assert _classes(put_off, "PREPARE TRANSACTION 'x'") == [SqlClass.PROCEDURAL]
        put_off.any = False
        assert _classes(put_off, "COMMIT") == [SqlClass.SESSION]


def test_both_in_one_query() -> None:
    """The order within the text counts."""
    assert _classes(PutOff(), f"{_HELD}; COMMIT")[-1] is SqlClass.PROCEDURAL
    assert _classes(PutOff(), f"COMMIT; {_HELD}")[0] is SqlClass.SESSION


def test_a_failed_transaction_runs_nothing() -> None:
    """Its COMMIT is a ROLLBACK."""
    put_off = PutOff()
    put_off.told(read(_HELD), failed=False)
    assert _classes(put_off, "COMMIT", failed=True) == [SqlClass.SESSION]


@pytest.mark.parametrize(
    ("text", "turns"),
    [
        ("SET app.tenant = '7'", True), ("SET LOCAL app.tenant = '7'", True), ("RESET app.tenant", True),
        ("SELECT set_config('app.tenant', '7', true)", True), ("SELECT set_config(name, '7', true) FROM orders", True),
        ("SET TimeZone = 'Asia/Tokyo'", True), ("SET TIME ZONE 'Asia/Tokyo'", True), ("SET xmloption = 'document'", True),
        ("SET gin_fuzzy_search_limit = 1", True), ("SET transform_null_equals = on", True),
        ("SELECT 1; SET app.tenant = '7'", True), ("SELECT enter_tenant(7)", True), ("CALL enter_tenant(7)", True),
        ("DO $$ BEGIN END $$", True), ("SET statement_timeout = 5", False), ("SET application_name = 'x'", False),
        ("SET search_path = x", False), ("SET NAMES 'utf8'", False), ("RESET ALL", False), ("BEGIN READ ONLY", False),
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", False), ("SELECT id FROM orders", False),
        ("DELETE FROM orders WHERE id = 7", False), ("COMMIT", False),
    ],
)  # fmt: skip
def test_whatever_code_could_read_turns_what_follows(text: str, turns: bool) -> None:
    """Settings by any way but those that say how long, how fast, or are read back with the vector."""
    assert turns_what_follows(builders.action(text, *read(text))) is turns
