"""A played session: what a client sends, what a target answers, step by step.

Covers each kind of message once; tests cut, damage and replay it.
"""

from __future__ import annotations

from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres import messages as m
from gatekeep.protocols.postgres.turns import Execution, Refused, Released, Verdict

COLUMNS = m.frame(b"T", b"\x00\x01n\x00" + bytes(18))
ROW = m.frame(b"D", b"\x00\x01\x00\x00\x00\x011")
IDLE = m.ready_for_query("I")
NO = WireMessage("42501", "gatekeep: no")


def judge(execution: Execution) -> Verdict:
    """The verdicts of the played session: what says so itself is refused."""
    if "denied" in execution.text:
        return Refused(NO)
    text = execution.text
    return Released(copies_out=text.count("to stdout"), copies_in=text.count("from stdin"))


def done(tag: str) -> bytes:
    """CommandComplete."""
    return m.frame(b"C", tag.encode() + b"\x00")


def error(sqlstate: str, text: str, severity: str = "ERROR") -> bytes:
    """ErrorResponse."""
    return m.error_response(WireMessage(sqlstate, text, severity=severity))


COPYING = m.frame(b"H", b"\x00\x00\x01\x00\x00")
TAKING = m.frame(b"G", b"\x00\x00\x01\x00\x00")
PARSED, BOUND, CLOSED = m.frame(b"1"), m.frame(b"2"), m.frame(b"3")

SCRIPT: list[tuple[bytes, bytes]] = [
    (m.query("select 1"), COLUMNS + ROW + done("SELECT 1") + IDLE),
    (m.parse("s", "select $1") + m.describe("S", "s") + m.SYNC,
     PARSED + m.frame(b"t", b"\x00\x01\x00\x00\x00\x17") + COLUMNS + IDLE),
    (m.bind("", "s", [b"7"]) + m.describe("P", "") + m.execute("") + m.SYNC,
     BOUND + COLUMNS + ROW + done("SELECT 1") + IDLE),
    (m.bind("", "s", [b"8"]) + m.describe("P", "") + m.execute("") + m.SYNC,
     BOUND + COLUMNS + ROW * 3 + done("SELECT 3") + IDLE),
    (m.query("select 1; delete from t"),
     COLUMNS + ROW + done("SELECT 1") + done("DELETE 4") + m.notice_response(NO) + IDLE),
    (m.parse("", "select denied") + m.bind("", "") + m.execute("") + m.SYNC,
     error("34000", f'portal "gk_{1:032x}" does not exist') + IDLE),
    (m.query(""), m.frame(b"I") + m.parameter_status("TimeZone", "UTC") + IDLE),
    (m.query("copy t to stdout; select 1"),
     COPYING + m.frame(b"d", b"1\n") + m.frame(b"d") + m.frame(b"c") + done("COPY 1")
     + COLUMNS + ROW + done("SELECT 1") + IDLE),
    (m.parse("", "copy t to stdout") + m.bind("", "") + m.describe("P", "") + m.execute("") + m.SYNC,
     PARSED + BOUND + m.frame(b"n") + COPYING + m.frame(b"d", b"1\n") * 3 + m.frame(b"c")
     + done("COPY 3") + IDLE),
    (m.query("copy t from stdin"), TAKING),
    (m.frame(b"d", b"1\n2\n") + m.frame(b"d") + m.frame(b"c"), done("COPY 2") + IDLE),
    (m.parse("", "copy t from stdin") + m.bind("", "") + m.execute("") + m.SYNC, PARSED + BOUND + TAKING),
    (m.frame(b"d", b"1\n") * 3 + m.frame(b"c"), done("COPY 3")),
    (m.SYNC, IDLE),
    (m.query("begin"), done("BEGIN") + m.ready_for_query("T")),
    (m.query("boom"), error("42601", "gatekeep says hello") + m.ready_for_query("E")),
    (m.query("rollback"), done("ROLLBACK") + IDLE),
]  # fmt: skip
