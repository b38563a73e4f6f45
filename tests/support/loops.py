"""Runs an asynchronous test on asyncio's loop and again on uvloop, which the gateway prefers."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

Story = Callable[..., Coroutine[Any, Any, None]]


def on_both_loops(story: Story) -> Callable[..., None]:
    """A plain test for each loop, with the story's own fixtures and parameters."""

    @functools.wraps(story)
    def test(loop_name: str, **given: object) -> None:
        factory = uvloop.new_event_loop if loop_name == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(story(**given))

    own = list(inspect.signature(story).parameters.values())
    loop = inspect.Parameter("loop_name", inspect.Parameter.KEYWORD_ONLY)
    test.__signature__ = inspect.Signature([*own, loop])  # type: ignore[attr-defined] # read by pytest
    del test.__wrapped__  # type: ignore[attr-defined] # else pytest sees the coroutine
    return pytest.mark.parametrize("loop_name", ["asyncio", "uvloop"])(test)
