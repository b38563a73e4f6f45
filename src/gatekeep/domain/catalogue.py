"""What a target's catalogue says, as a frozen value: the ground of the proof of `read`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CatalogueView:
    """One database's catalogue at one moment. `epoch` changes whenever the content does.

    Further fields belong to the proof and are described where it is made (`protocols.sql`).
    """

    epoch: str
    server_version: int
    system_identifier: str
