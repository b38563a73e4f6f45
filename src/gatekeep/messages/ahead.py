"""What somebody hears who asks for leave ahead of time, or takes it: why it is not given."""

from __future__ import annotations

from collections.abc import Sequence

from gatekeep.messages import RuleWords, printable
from gatekeep.messages.ssh_approvals import lasting


def no_such_target(target: str) -> str:
    """No such target, no such account there, or no right to it: the same words for all."""
    return f'there is no target "{printable(target, 63)}" with this account for you'


def which_account(target: str, accounts: Sequence[str]) -> str:
    """There are several that could be meant."""
    named = ", ".join(printable(one, 63) for one in accounts)
    return f'"{printable(target, 63)}" has several accounts for you, so name one: {named}'


def allowed_anyway() -> str:
    """Nobody has to be asked."""
    return "policy allows this without asking; run it"


def denied(words: RuleWords) -> str:
    """No approval would help."""
    return f"policy does not allow this, and no approval changes that. {words.sentence()}"


def nobody() -> str:
    """No rule accepts an approval of anybody who exists."""
    return "nobody can approve this: no rule accepts an approval for it, or nobody else is in its groups"


def too_many(count: int) -> str:
    """Too many open requests."""
    return f"you have {count} open requests already; wait for an answer, or withdraw one"


def denied_lately(request: str, denier: str, wait_s: int) -> str:
    """The same was denied a moment ago."""
    return (
        f"{printable(denier, 63)} denied the same a moment ago, request {request}; "
        f"it can be asked again in {lasting(wait_s)}"
    )


def needs_reason() -> str:
    """Whoever takes leave says why."""
    return "say why"


def needs_factor() -> str:
    """Break-glass takes a second factor."""
    return "breaking the glass takes a code from your authenticator"


def nothing_to_lift(target: str) -> str:
    """Break-glass would change nothing."""
    return f"no rule on {printable(target, 63)} asks for an approval that breaking the glass could stand for"


def too_long(most_s: int) -> str:
    """Longer than leave may last."""
    return f"that is longer than leave may last: {lasting(most_s)}"


def own_review() -> str:
    """Nobody reviews himself."""
    return "somebody else must look at what you did"


def may_not(verb: str) -> str:
    """Policy does not let the caller do this."""
    return f"policy does not allow {verb}"


def access_text(target: str, account: str, seconds: int) -> str:
    """What a request for access says."""
    return f"access to {printable(target, 63)} as {printable(account, 63)} for {lasting(seconds)}"
