"""What gatekeep says to an SSH client: whole lines, on stderr or the terminal, never on stdout.

The first line says what was refused, the next why and who can help, the last what was not done.
"""

from __future__ import annotations

from gatekeep.messages import PREFIX, RuleWords, WireMessage, printable

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


def no_destination(destination: str, port: int) -> tuple[str, ...]:
    """A text that names no place."""
    return (f"{PREFIX}{printable(destination, 100)}:{port} is no destination",)


def never_reached(destination: str, what: str) -> tuple[str, ...]:
    """No rule lifts this."""
    return (f"{PREFIX}no tunnel leads to {printable(destination, 100)}: it is {what}",)


def database_by_tunnel(target: str) -> tuple[str, ...]:
    """A database is reached by its own door, where its statements are recorded."""
    return (
        f'{PREFIX}tunnels to databases are not recorded; use psql "host=GATEWAY dbname={target}"',
    )


def target_by_tunnel(target: str) -> tuple[str, ...]:
    """A registered target is reached by its own name."""
    return (f"{PREFIX}{target} is a target of its own; use ssh PRINCIPAL+{target}@GATEWAY",)


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


def lines_of(message: WireMessage) -> tuple[str, ...]:
    """A message that Postgres clients get in three parts, as lines."""
    parts = (message.detail, message.hint)
    return (message.primary, *(PREFIX + part[:1].lower() + part[1:].rstrip(".") for part in parts if part))


def not_a_target(destination: str, principal: str) -> str:
    """A jump to what is no registered target, or to one that may not be reached."""
    return f'{PREFIX}no target "{printable(destination, 63)}" for {principal}'


def name_a_target(principal: str) -> tuple[str, ...]:
    """A log-in without a target opens nothing by itself."""
    return (
        f"{PREFIX}name a target: {principal}+TARGET, or jump: ssh -J {principal}@GATEWAY TARGET",
        f"{PREFIX}gatekeep targets ls shows what you may reach",
    )


def target_silent(target: str) -> tuple[str, ...]:
    """It cannot be reached, or does not let us in."""
    return (f"{PREFIX}{target} does not answer", _NOTHING_RUN)


def target_gone(target: str) -> str:
    """It closed the connection."""
    return f"{PREFIX}{target} closed the connection"


def target_refuses(target: str, why: str) -> str:
    """It answered, and would not open this."""
    return f"{PREFIX}{target} refuses this: {printable(why)}"


def known_key_differs(target: str, expected: str, shown: str) -> tuple[str, ...]:
    """Its host key is not the one that is known."""
    return (
        f"{PREFIX}{target} shows a host key that is not the known one",
        f"{PREFIX}known {expected}, shown {shown}; ask the owner of the target",
        _NOTHING_RUN,
    )


def no_longer_admitted(target: str) -> str:
    """The session began under rules that have changed."""
    return f"{PREFIX}policy no longer lets you open sessions on {target}"


def sign_in_lapsed() -> tuple[str, ...]:
    """A connection outlived what it was let in by."""
    return (f"{PREFIX}what you signed in by no longer holds; connect again",)


def session_ended(reason: str, who: str = "") -> str:
    """Somebody, or something, ended it. A person's name stands behind the reason, too."""
    if who:
        return f"{PREFIX}{printable(who, 63)} ended this session: {printable(reason.removesuffix(f' ({who})'))}"
    return f"{PREFIX}this session was ended: {printable(reason)}"


def gateway_drains() -> str:
    """The gateway stops."""
    return f"{PREFIX}the gateway is restarting; connect again"


def request_refused(what: str) -> str:
    """A channel or request that is never forwarded."""
    return f"{PREFIX}{printable(what)} is not available through this gateway"


def agent_needs_second_factor() -> tuple[str, ...]:
    """The policy would let this agent be forwarded, and whoever signed in proved only one thing."""
    return (f"{PREFIX}your agent is not forwarded: that needs a second factor at sign-in",)


def unfit_request(what: str) -> tuple[str, ...]:
    """What no policy is asked about."""
    return (request_refused(what), _NOTHING_RUN)


def _rule(words: RuleWords) -> str:
    if not words.rule:
        return f"{PREFIX}no rule permits it"
    why = printable(words.why).rstrip(".")
    owner = f" (owner {printable(words.owner)})" if words.owner else ""
    return f"{PREFIX}rule {words.rule}{': ' + why if why else ''}{owner}"
