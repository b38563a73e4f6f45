"""The rules that a gate on a shell is given: plain words. What it gives back are `turns`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gatekeep.protocols.ssh.shells.lines import looks_complete

Leniency: TypeAlias = Literal["allow", "ask", "deny"]


@dataclass(frozen=True, slots=True)
class GateRules:
    """What policy and settings say of one session.

    `gated` false: nothing is held, lines are reported as observed. `hidden_input` is for bytes
    that were typed and not shown, `unknown` for a shell that never says when it edits, `opaque`
    for programs that take the whole screen, `ungated` for a line that ran without a release.
    `complete` says whether a text is whole, or the shell will ask for more of it.
    """

    gated: bool
    login_shell: str = "bash"
    hidden_input: Literal["allow", "alert", "ask", "deny"] = "alert"
    unknown: Leniency = "deny"
    opaque: Leniency = "allow"
    ungated: Literal["alert", "close"] = "alert"
    quiet_ms: int = 60
    cap_ms: int = 2_000
    cancel_ms: int = 1_000
    type_ahead_ms: int = 150
    unknown_ms: int = 3_000
    complete: Callable[[str], bool] = looks_complete
