"""Who may forward an agent beside the policy: both the sign-in and the principal have a second factor."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from support import builders

from gatekeep.proxies.ssh.arrivals import Arrival
from gatekeep.ssh_assembly import _second_factor


@pytest.mark.parametrize("method", ["key", "certificate", "token"])
@pytest.mark.parametrize(("code", "needed"), [("+code", True), ("+code", False), ("", True), ("", False)])
def test_a_second_factor_was_given_and_is_needed(method: str, code: str, needed: bool) -> None:
    """A code that nobody has to give any more keeps nobody out who has the key."""
    shared: Any = SimpleNamespace(proofs=SimpleNamespace(needs_code=lambda _name: needed))
    arrival = Arrival(builders.principal(), "web-1", "", "127.0.0.1", f"{method}{code}")
    assert _second_factor(shared, arrival) is (bool(code) and needed)
