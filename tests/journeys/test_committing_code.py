"""Code that commits while it runs does not make another session's read lie (12-threats C1)."""

from __future__ import annotations

import threading

import psycopg
from support.journal_evidence import of_kind
from support.journey import Place

SWAP = """DO $$ BEGIN
  DROP TABLE public.swapped; CREATE VIEW public.swapped AS SELECT public.swap_evil() AS x; COMMIT;
  PERFORM pg_catalog.pg_sleep(4);
END $$"""


def test_a_table_that_becomes_a_view_meanwhile_is_not_read_as_a_table(open_place: Place) -> None:
    """A DO drops a table, makes a view of evil code and commits; a read elsewhere is unproven."""
    with open_place.connect(autocommit=True) as maker:  # through the door, which then looks anew
        maker.execute(
            "CREATE FUNCTION swap_evil() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$"
        )
        maker.execute("CREATE TABLE swapped (x int)")
    mark = open_place.evidence.mark()
    with open_place.direct() as direct:
        with open_place.connect(autocommit=True) as one, open_place.connect(autocommit=True) as two:
            two.execute("SELECT * FROM swapped")
            running = threading.Thread(target=one.execute, args=(SWAP,))
            running.start()
            try:
                _await_view(direct)
                _await_a_second(direct)
                two.execute("SELECT * FROM swapped")
            finally:
                running.join()
        direct.execute("DROP VIEW swapped; DROP FUNCTION swap_evil")
    released = of_kind(open_place.evidence.closed(mark, 2), "action.released")
    classes = [event["class"] for event in released if event["text"] == "SELECT * FROM swapped"]
    assert classes == ["read", "procedural"]


def _await_view(direct: psycopg.Connection[object]) -> None:
    """Until the DO has committed its view."""
    for _ in range(200):
        row = direct.execute("SELECT relkind FROM pg_class WHERE relname = 'swapped'").fetchone()
        if row == ("v",):
            return
        direct.execute("SELECT pg_sleep(0.02)")
    raise AssertionError("the view never came")


def _await_a_second(direct: psycopg.Connection[object]) -> None:
    """Views of the catalogue older than this are not believed while the DO runs."""
    direct.execute("SELECT pg_sleep(1.1)")
