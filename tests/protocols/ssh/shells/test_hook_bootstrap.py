"""The command that starts a shell with the hook: plain for every log-in shell, and without a secret."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gatekeep.protocols.ssh.shells.hook_bash import BASH_HOOK
from gatekeep.protocols.ssh.shells.hook_bootstrap import HookedShell, hook_command
from gatekeep.protocols.ssh.shells.hook_zsh import ZSH_HOOK

TEXTS: dict[HookedShell, str] = {"bash": BASH_HOOK, "zsh": ZSH_HOOK}


@pytest.mark.parametrize("shell", TEXTS)
def test_it_is_one_plain_line(shell: HookedShell) -> None:
    """Three quoted words at most, nothing in them that a log-in shell could read as its own."""
    command = hook_command(shell)
    assert len(command) < 16_000
    assert command.isascii()
    assert command.isprintable()
    assert "!" not in command
    assert command.count("'") == 4
    text = command.split("'")[3]
    assert re.fullmatch(r"(?:[^\\]|\\0[0-7]{3})*", text)


@pytest.mark.parametrize("shell", TEXTS)
@pytest.mark.parametrize("reader", ["sh", "bash", "dash", "zsh", "fish", "csh", "tcsh"])
def test_every_log_in_shell_reads_the_text_back(
    shell: HookedShell, reader: str, tmp_path: Path
) -> None:
    """What `printf %b` makes of the argument is the hook, byte for byte."""
    if shutil.which(reader) is None:
        pytest.skip(f"no {reader}")
    text = hook_command(shell).split("'")[3]
    done = subprocess.run(
        [reader, "-c", f"exec bash --norc --noprofile -c 'printf %b \"$0\"' '{text}'"],
        capture_output=True, check=True, timeout=30, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.stdout.decode() == TEXTS[shell].lstrip("\n")


@pytest.mark.parametrize("shell", TEXTS)
def test_the_text_is_a_script(shell: HookedShell, tmp_path: Path) -> None:
    """The shell it is for can parse it."""
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell}")
    script = tmp_path / "hook"
    script.write_text(TEXTS[shell])
    done = subprocess.run([shell, "-n", str(script)], capture_output=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (0, b"")


def test_keys_and_the_trap_of_bash_expand_no_parsed_substitution() -> None:
    """`$(` inside the open quote of an unfinished line makes bash 5.2 write beside its buffer."""
    _, *parts = re.split(r"^(__gk_\w+)\(\) \{", BASH_HOOK, flags=re.MULTILINE)
    functions = dict(zip(parts[::2], (part.split("\n}\n")[0] for part in parts[1::2]), strict=True))
    reached, asked = set(), ["__gk_enter", "__gk_again", "__gk_debug", "__gk_say"]
    while asked:
        name = asked.pop()
        if name in functions and name not in reached:
            reached.add(name)
            asked += re.findall(r"__gk_\w+", functions[name])
    assert {"__gk_entered", "__gk_ask", "__gk_frame"} <= reached
    parsed = {name for name in reached if re.search(r"[$<>]\((?!\()", functions[name])}
    assert parsed <= {"__gk_keys"}, "which the trap names, and the prompt alone calls"
