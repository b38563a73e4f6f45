"""What an action may leave to the end of its transaction."""

from __future__ import annotations

from support.sql_world import read

from gatekeep.domain.actions import SqlClass
from gatekeep.proxies.postgres.effects import PutOff

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
