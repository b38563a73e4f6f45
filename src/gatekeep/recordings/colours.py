"""Terminal colours as red, green and blue, to see when text stands on its own colour. Pure."""

from __future__ import annotations

from typing import Final

Colour = tuple[int, int, int]

NAMES: Final = ("black", "red", "green", "brown", "blue", "magenta", "cyan", "white")
ALIKE: Final = 60
"""Colours whose parts differ by no more than this together cannot be told apart with ease."""

_STEPS: Final = (0, 95, 135, 175, 215, 255)
_BRIGHT: Final = 8
_CUBE: Final = 16
_GREYS: Final = 232


def indexed(number: int) -> Colour:
    """The colour of an index, as xterm has it; numbers past 255 are the last."""
    if number < _BRIGHT:
        level = 229 if number == _BRIGHT - 1 else 205
        return _mixed(number, level)
    if number < _CUBE:
        return (127, 127, 127) if number == _BRIGHT else _mixed(number - _BRIGHT, 255)
    if number < _GREYS:
        number -= _CUBE
        return _STEPS[number // 36], _STEPS[number // 6 % 6], _STEPS[number % 6]
    level = 8 + 10 * (min(number, 255) - _GREYS)
    return level, level, level


def _mixed(bits: int, level: int) -> Colour:
    return (bits & 1) * level, (bits >> 1 & 1) * level, (bits >> 2 & 1) * level


def alike(one: Colour | None, other: Colour | None) -> bool:
    """Whether text of one colour cannot be read on the other; None is the reader's own."""
    if one is None or other is None:
        return False
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) <= ALIKE
