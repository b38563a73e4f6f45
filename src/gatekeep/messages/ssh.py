"""What gatekeep says to an SSH client: whole lines, on stderr or the terminal, never on stdout.

The first line says what was refused, the next why and who can help, the last what was not done.
"""

from __future__ import annotations

from collections.abc import Sequence

from gatekeep.messages import PREFIX, RuleWords, printable

_NOTHING_RUN = f"{PREFIX}nothing was run"


def banner(help_url: str = "") -> str:
    """Before sign-in: no names."""
    return f"{PREFIX}sessions here are recorded" + (f". Help: {help_url}" if help_url else "")


def welcome(principal: str, target: str, account: str, session: str) -> str:
    """The one line that an interactive shell begins with."""
    return f"{PREFIX}{principal} on {target} as {account}, recorded as {session}"


def command_refused(command: str, target: str, words: RuleWords) -> tuple[str, ...]:
    """The policy says deny."""
    return (
        f'{PREFIX}policy does not allow "{printable(command)}" on {target}',
        _rule(words),
        _NOTHING_RUN,
    )


def shell_refused(target: str, words: RuleWords) -> tuple[str, ...]:
    """The policy says deny to an interactive shell."""
    return (
        f"{PREFIX}policy does not allow an interactive shell on {target}",
        _rule(words),
        _NOTHING_RUN,
    )


def file_refused(operation: str, path: str, target: str, words: RuleWords) -> tuple[str, ...]:
    """The policy says deny to a file operation."""
    return (
        f'{PREFIX}policy does not allow {operation} "{printable(path)}" on {target}',
        _rule(words),
    )


def tunnel_refused(destination: str, target: str, words: RuleWords) -> tuple[str, ...]:
    """The policy says deny to a tunnel."""
    return (
        f"{PREFIX}policy does not allow a tunnel to {printable(destination)} through {target}",
        _rule(words),
    )


def needs_approval(words: RuleWords) -> tuple[str, ...]:
    """Somebody would have to approve, and nobody can be asked here."""
    return (
        f"{PREFIX}this needs approval, and approvals are not set up here",
        _rule(words),
        _NOTHING_RUN,
    )


def cannot_record(incident: str) -> tuple[str, ...]:
    """No event, no effect."""
    return (
        f"{PREFIX}this cannot be recorded right now, so it was not run",
        f"{PREFIX}incident {incident}; ask the operators of the gateway",
    )


def no_such_target(target: str, principal: str, near: Sequence[str] = ()) -> tuple[str, ...]:
    """Unknown, or not to be reached: the same words."""
    first = f'{PREFIX}no target "{printable(target, 63)}" for {principal}'
    hint = f"{PREFIX}gatekeep targets ls shows what you may reach"
    return (first, f"{PREFIX}near: {', '.join(near)}", hint) if near else (first, hint)


def name_an_account(accounts: Sequence[str], principal: str, target: str) -> tuple[str, ...]:
    """Several accounts are permitted."""
    return (
        f"{PREFIX}name an account: {', '.join(accounts)}",
        f"{PREFIX}such as {principal}+{accounts[0]}@{target}",
    )


def target_silent(target: str) -> tuple[str, ...]:
    """It cannot be reached, or does not let us in."""
    return (f"{PREFIX}{target} does not answer", _NOTHING_RUN)


def known_key_differs(target: str, expected: str, shown: str) -> tuple[str, ...]:
    """Its host key is not the one that is known."""
    return (
        f"{PREFIX}{target} shows a host key that is not the known one",
        f"{PREFIX}known {expected}, shown {shown}; ask the owner of the target",
        _NOTHING_RUN,
    )


def session_ended(reason: str) -> str:
    """Somebody, or something, ended it."""
    return f"{PREFIX}this session was ended: {printable(reason)}"


def gateway_drains() -> str:
    """The gateway stops."""
    return f"{PREFIX}the gateway is restarting; connect again"


def request_refused(what: str) -> str:
    """A channel or request that is never forwarded."""
    return f"{PREFIX}{printable(what)} is not available through this gateway"


def _rule(words: RuleWords) -> str:
    if not words.rule:
        return f"{PREFIX}no rule permits it"
    why = printable(words.why).rstrip(".")
    owner = f" (owner {printable(words.owner)})" if words.owner else ""
    return f"{PREFIX}rule {words.rule}{': ' + why if why else ''}{owner}"
