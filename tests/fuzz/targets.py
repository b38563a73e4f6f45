"""The fuzz targets by name. Each takes choices and raises AssertionError where a claim is broken."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from fuzz import (
    answering,
    conversing,
    cutting,
    decoding,
    introducing,
    lending,
    moving,
    proving,
    starting,
    telling,
)
from fuzz.draw import Draw


@dataclass(frozen=True)
class Target:
    """`check` is the claim, `share` its part of the inputs in a hundred, `around` what it needs.

    `longest` is how many bytes of choices make sense.
    """

    name: str
    check: Callable[[Draw], None]
    share: int
    around: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext
    longest: int = 256


TARGETS = {
    one.name: one
    for one in (
        Target("frames", cutting.check, 20, cutting.around),
        Target("startup", starting.check, 20, longest=64),
        Target("proxy", introducing.check, 5, longest=64),
        Target("scram", proving.check, 20, longest=80),
        Target("decoding", decoding.check, 17, longest=120),
        Target("replies", answering.check, 8, longest=160),
        Target("conversation", conversing.check, 2, longest=160),
        Target("files", moving.check, 4, longest=250),
        Target("agent", lending.check, 1, longest=120),
        Target("sql", telling.check, 3, telling.around, longest=60),
    )
}
