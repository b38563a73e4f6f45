"""Which actions over SSH have a likeness: one command that runs alone, from its text alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gatekeep.domain.commands import Assurance, CommandFacts, SshAction
from gatekeep.domain.likeness import Likeness
from gatekeep.proxies.ssh.bindings import Around
from gatekeep.proxies.ssh.likeness import likeness_of

TEXT = "systemctl restart nginx"
FACT = CommandFacts("ssh.exec", "systemctl", tuple(TEXT.split()))
EXEC = SshAction("exec", TEXT, (FACT,), TEXT, "ab" * 32)
ALONE = Around("exec")


@pytest.mark.parametrize(
    "environment",
    [
        {}, {b"LANG": b"C.UTF-8", "LC_ALL": "C"}, {"LANG": "en_GB.UTF-8", "LC_CTYPE": "UTF-8"},
        {"LANGUAGE": "de:en_GB", "LC_TIME": ""}, {"LC_MONETARY": "de_AT.utf8@euro"},
    ],
)  # fmt: skip
def test_a_command_alone_has_one(environment: Any) -> None:
    """Whatever language its client speaks, as clients say by themselves."""
    around = replace(ALONE, environment=environment)
    assert likeness_of(EXEC, around) == Likeness(TEXT)
    assert likeness_of(replace(EXEC, redacted=""), around) == Likeness(TEXT)


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "line"}, {"mode": "script"}, {"mode": "shell"}, {"resolved": False},
        {"assurance": Assurance.INFERRED}, {"assurance": Assurance.OPAQUE},
        {"redacted": "systemctl ***"}, {"details": {"script_sha256": "ab"}},
        {"details": {"pinned": "ab"}}, {"facts": ()}, {"facts": (FACT, FACT)},
    ],
)  # fmt: skip
def test_what_is_not_known_for_sure_has_none(changes: dict[str, Any]) -> None:
    """A line means what its shell was told before; scripts, hidden words and several are others."""
    assert likeness_of(replace(EXEC, **changes), ALONE) is None


@pytest.mark.parametrize(
    "around",
    [
        Around("shell"), Around("exec", terminal="xterm"), Around("exec", agent=True),
        Around("exec", subsystem="sftp"), Around("exec", environment={"LD_PRELOAD": "/x"}),
        Around("exec", environment={b"LC_\xff": b"1"}), Around("exec", environment={"LC_EVIL": "1"}),
        Around("exec", environment={"LC_ALL": "zh_TW.BIG5"}), Around("exec", environment={"LANG": "ja_JP.SJIS"}),
        Around("exec", environment={"LANGUAGE": "../../srv/x"}), Around("exec", environment={"LC_ALL": "/srv/x"}),
    ],
)  # fmt: skip
def test_what_stands_around_it_matters(around: Around) -> None:
    """A terminal, a lent agent, or a variable that may change what runs, or how its text is read."""
    assert likeness_of(EXEC, around) is None
