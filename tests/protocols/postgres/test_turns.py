"""Words of the conversation: what a further execution of a portal shares, and what it does not."""

from __future__ import annotations

from gatekeep.protocols.postgres.turns import Execution


def test_running_a_portal_again_is_another_execution() -> None:
    """Text, names and values are the same; key, counters and the proxy's note are its own."""
    first = Execution("extended", "select $1", 1)
    first.statement_name, first.portal_name = "s", "p"
    first.parameter_oids, first.parameter_formats, first.values = (23,), (1,), (b"\x00\x00\x00\x01",)
    first.unknown_source, first.bind_only, first.bytes_in, first.note = True, True, 40, object()
    again = first.again(2)
    shared = ("text", "statement_name", "portal_name", "parameter_oids", "parameter_formats")
    for name in (*shared, "values", "mode", "unknown_source"):
        assert getattr(again, name) == getattr(first, name)
    assert (again.key, again.bytes_in, again.note, again.bind_only) == (2, 0, None, False)
