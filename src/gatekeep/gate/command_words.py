"""Which words a refused action over SSH gets: they differ by what was asked for."""

from __future__ import annotations

from gatekeep.domain.commands import SshAction, TunnelFacts
from gatekeep.messages import RuleWords
from gatekeep.messages import ssh as words_of


def refusal_lines(action: SshAction, target: str, words: RuleWords) -> tuple[str, ...]:
    """The lines for a client whose action policy denies."""
    first = action.facts[0] if action.facts else None
    if isinstance(first, TunnelFacts):
        port = f":{first.port}" if first.port else ""
        return words_of.tunnel_refused(f"{first.destination}{port}", target, words)
    if action.mode == "shell":
        return words_of.shell_refused(target, words)
    if action.mode in ("sftp", "scp"):
        operation = action.details.get("operation", action.mode)
        return words_of.file_refused(str(operation), action.command, target, words)
    return words_of.command_refused(action.command, target, words)
