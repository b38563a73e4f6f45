"""Refusals that say why and what to do. Other faults are worded in `answering`."""

from __future__ import annotations

from aiohttp import web

from gatekeep.errors import NotPermitted
from gatekeep.messages.api import Words
from gatekeep.web.hosts import problem


class Explained(NotPermitted):
    """The caller may not do this; `why` and `advice` are shown to them, with this status."""

    status = 403

    def __init__(self, words: Words) -> None:
        super().__init__(words.what)
        self.why = words.why
        self.advice = words.advice


def told(status: int, said: Words) -> web.Response:
    """The answer that says these words."""
    return problem(status, said.what, why=said.why, advice=said.advice)
