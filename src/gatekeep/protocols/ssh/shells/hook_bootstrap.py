"""How a shell with the hook is started: one command, no file left behind, no right needed, no secret.

It is what the gateway asks the target to execute, under a terminal, instead of a shell.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from gatekeep.protocols.ssh.shells.hook_bash import BASH_HOOK
from gatekeep.protocols.ssh.shells.hook_zsh import ZSH_HOOK

HookedShell: TypeAlias = Literal["bash", "zsh"]

_PLAIN: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-+=:;,./?@~^*$#&()[]{}<>|%"
)

_START: Final = {
    # The rc file is read through a descriptor; the text is this command's own argument.
    "bash": 'exec 9< <(printf %b "$0"); exec bash --rcfile /dev/fd/9 -i',
    # Without its line editor zsh reads its first command from a pipe, after its start files.
    "zsh": (
        "exec zsh -il +Z -o nopromptsp -o nopromptcr "
        '9< <(printf %b "$0") < <(echo " . /dev/fd/9") 2>/dev/null'
    ),
}
_RUNNER: Final = {"bash": "bash --norc --noprofile -c", "zsh": "zsh -fc"}


def hook_command(shell: HookedShell) -> str:
    """The command to execute. Every log-in shell reads it alike: sh, bash, zsh, fish, csh.

    It becomes the shell by `exec`, and holds no secret: whoever lists processes sees it for a
    moment, and then `bash --rcfile /dev/fd/9 -i` or `zsh -il +Z`.
    """
    text = {"bash": BASH_HOOK, "zsh": ZSH_HOOK}[shell].lstrip("\n")
    start = _START[shell]
    return f"exec {_RUNNER[shell]} '{start}' '{_escaped(text)}'"


def _escaped(text: str) -> str:
    """As `printf %b` reads it: whatever a log-in shell might read otherwise as octal digits."""
    return "".join(one if one in _PLAIN else f"\\0{ord(one):03o}" for one in text)
