"""Whether lines of a shell wait, and who reports them: the policy's and the target owner's word."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gatekeep.domain.targets import SshWay
from gatekeep.proxies.ssh.ways import hook_of, lines_matter


def session(*, free: bool, way: SshWay | None) -> Any:
    """A session on a target of this way, under a policy to which lines matter or not."""
    return SimpleNamespace(
        live=SimpleNamespace(session=SimpleNamespace(target=SimpleNamespace(ssh=way))),
        rooms=SimpleNamespace(policy=SimpleNamespace(lines_are_free=lambda _session: free)),
    )


@pytest.mark.parametrize(
    ("free", "line_gate", "waits"),
    [(False, "auto", True), (True, "auto", False), (False, "off", False), (True, "off", False)],
)
def test_lines_wait_where_a_rule_could_refuse_one(free: bool, line_gate: str, waits: bool) -> None:
    """And never where the target's owner said that they are only recorded."""
    assert lines_matter(session(free=free, way=SshWay(line_gate=line_gate))) is waits


def test_the_hook_is_used_where_it_was_chosen_and_lines_matter() -> None:
    """Elsewhere people get their own shell, untouched."""
    assert hook_of(session(free=False, way=SshWay(shell_hook="zsh"))) == "zsh"
    assert hook_of(session(free=True, way=SshWay(shell_hook="zsh"))) is None
    assert hook_of(session(free=False, way=SshWay())) is None
    assert hook_of(session(free=False, way=None)) is None
