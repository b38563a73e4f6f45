"""Fuzz target: files over SSH, sftp by packets and scp by records, with both ends and the policy hostile."""

from __future__ import annotations

import random

from support import scp_world, sftp_world

from fuzz.draw import Draw


class _Chances(random.Random):
    """The choices of an input, for what asks a source of chance."""

    def __new__(cls, _: Draw) -> _Chances:  # noqa: PYI034 - this very class: nothing extends it
        """Without a seed."""
        return super().__new__(cls)

    def __init__(self, draw: Draw) -> None:
        super().__init__(0)
        self._draw = draw

    def random(self) -> float:
        """From 0 up to 1."""
        return self._draw.below(256) / 256

    def getrandbits(self, k: int) -> int:
        """So many bits."""
        size = (k + 7) // 8
        return int.from_bytes(self._draw.take(size), "big") >> (size * 8 - k)


def check(draw: Draw) -> None:
    """One conversation of one of the three kinds, to its end."""
    way, chances = draw.below(4), _Chances(draw)
    if way < 2:
        sftp_world.end(sftp_world.play(chances, steps=40))
    else:
        scp_world.end(scp_world.play(chances, takes=way == 2, steps=40))
