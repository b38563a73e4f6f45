"""One interactive shell costs a bounded amount of memory, whatever both sides send."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from gatekeep.protocols.ssh.shells.gate_rules import GateRules
from gatekeep.protocols.ssh.shells.shell_gate import ShellGate

HOSTILE = [
    b"\x1b[?2004h" + "漢".encode() * 300_000,
    b"\x1b[?2004h" + b"x\r\n" * 100_000,
    b"\x1b[?2004h" + b"\x1b[9999B\x1b[9999@\x1b[9999L" * 500,
    b"\x1b[?2004h$ " + b"z" * 400_000,
    b"\x1b]" + b"y" * 500_000,
    b"\x1b[" + b"1;" * 200_000,
    b"\x1bP" + b"\xff" * 300_000,
]


@pytest.mark.parametrize(("gated", "limit"), [(False, 256 * 1024), (True, 3 * 1024 * 1024)])
@pytest.mark.parametrize("case", range(len(HOSTILE)))
def test_memory_of_one_shell(gated: bool, limit: int, case: int) -> None:
    """256 KiB where it is only watched, 3 MiB with the gate, in the largest window."""
    gc.collect()
    tracemalloc.start()
    try:
        gate = ShellGate((1_000, 500), rules=GateRules(gated=gated))
        for at in range(0, len(HOSTILE[case]), 32_768):
            gate.receive_target(HOSTILE[case][at : at + 32_768], 0)
            gate.receive_client(b"k" * 20, 0)
        gc.collect()
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < limit
