"""A link whose client always waits for somebody: the target is spoken to while a segment is judged."""

from __future__ import annotations

import random

from support.postgres_link import Judge, Link
from support.postgres_wire import Wire

from gatekeep.protocols.postgres.conversation import Submit


class HeldLink(Link):
    """Keeps a real server awake before each verdict, some times or none.

    The answer comes before the verdict, or behind what it releases. `spoken` counts.
    """

    def __init__(self, judge: Judge, wire: Wire, seed: int = 0) -> None:
        super().__init__(judge, wire)
        self.spoken = 0
        self._draw = random.Random(seed)

    def _judge(self, turn: Submit) -> None:
        assert self.wire is not None
        for _ in range(self._draw.choice((0, 1, 1, 2, 3))):
            data = self.conversation.keep_awake()
            self._send(data)
            self.spoken += bool(data)
            while data and self._draw.random() < 0.7 and not self.conversation.stalled:
                self.target(self.wire.receive())
        super()._judge(turn)
