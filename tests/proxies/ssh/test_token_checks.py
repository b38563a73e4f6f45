"""Tokens as passwords: the right one is found, and unknown names cost what known ones do."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeep.gate.ports import ScramSecrets
from gatekeep.identity.tokens import ITERATIONS, verifier
from gatekeep.proxies.ssh.token_checks import TokenChecks, matching_token
from gatekeep.runtime.offload import Offload

SALT = bytes(16)


def secrets(*tokens: str) -> ScramSecrets:
    """What the directory gives of a principal with these tokens."""
    held = tuple(verifier(f"t{place}", token, SALT) for place, token in enumerate(tokens))
    return ScramSecrets(SALT, ITERATIONS, held)


@settings(max_examples=25)
@given(st.text(max_size=300))
def test_only_the_tokens_themselves_match(text: str) -> None:
    """Each of eight tokens is told by its id; no other text is one, whatever is in it."""
    held = [f"gk_{place}" for place in range(8)]
    known = secrets(*held)
    assert matching_token(known, held[7]) == "t7"
    assert matching_token(known, text) == (f"t{held.index(text)}" if text in held else None)
    assert matching_token(secrets(), text) is None


def test_the_work_is_the_same_for_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """One derivation of the same length and eight comparisons, with eight tokens, one, or none."""
    derived: list[tuple[Any, ...]] = []
    compared: list[int] = []
    real = hashlib.pbkdf2_hmac

    def counted(*arguments: Any) -> bytes:
        derived.append(arguments[2:])
        return real(*arguments)

    def same(first: bytes, second: bytes) -> bool:
        compared.append(len(first) + len(second))
        return first == second

    monkeypatch.setattr("gatekeep.proxies.ssh.token_checks.hashlib.pbkdf2_hmac", counted)
    monkeypatch.setattr("gatekeep.proxies.ssh.token_checks.hmac.compare_digest", same)
    seen = []
    for known in (secrets(*[f"gk_{place}" for place in range(8)]), secrets("gk_1"), secrets()):
        derived.clear()
        compared.clear()
        assert matching_token(known, "gk_guessed") is None
        seen.append((tuple(derived), tuple(compared)))
    assert seen[0] == seen[1] == seen[2]
    assert seen[0] == (((SALT, ITERATIONS),), (64,) * 8)


async def test_checks_leave_the_loop_free() -> None:
    """A crowd of checks runs beside the loop and ends with the right answers."""
    offload = Offload()
    checks = TokenChecks(offload, at_once=2)
    known = secrets("gk_1")
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    beside = asyncio.ensure_future(tick())  # the loop's own pulse
    found = await asyncio.gather(*(checks.matching(known, f"gk_{one % 2}") for one in range(20)))
    beside.cancel()
    offload.close()
    assert found == [None, "t0"] * 10
    assert ticks > 20
