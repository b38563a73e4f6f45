"""Principals: who acts. How a principal is proven lives in `identity`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody or something that acts through gatekeep.

    `person` names the natural person behind it (several principals may share one);
    `owner` is the person who answers for a machine principal, empty for people;
    `os_user` is the local account that the Unix socket recognises as this principal.
    """

    name: str
    person: str
    groups: frozenset[str] = frozenset()
    owner: str = ""
    os_user: str = ""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Where a person reads mail, and the zone of the tz database whose time he reads."""

    person: str
    address: str
    zone: str = "UTC"
