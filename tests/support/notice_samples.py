"""Notices as the gate makes them, each one with what a test wants to be otherwise."""

from __future__ import annotations

from typing import Any

from gatekeep.domain.decisions import NoticeRule
from gatekeep.gate.notice_ports import Notice

WRITES = NoticeRule("prod-writes", "prod-writes:0a1b2c3d4e5f", "Writes in production")
FOR_DBA = NoticeRule("ddl", "ddl:0a1b2c3d4e5f", "", "dba")
FOR_NOBODY = NoticeRule("dcl", "dcl:0a1b2c3d4e5f", "", "nobody")


def notice(rule: NoticeRule = WRITES, **changes: Any) -> Notice:
    """A change of customers on orders-prod, by alice."""
    values: dict[str, Any] = {
        "principal": "alice", "target": "orders-prod", "came_to": "released", "verb": "UPDATE",
        "template": "update customers set name = $1:text where id = $2:int", "session_code": "S-8QZ4",
        "n": 4711,
    }  # fmt: skip
    return Notice(rule, **{**values, **changes})
