"""What gatekeep says inside an interactive shell, on the client's terminal alone."""

from __future__ import annotations

from gatekeep.messages import PREFIX

_NOTHING_RUN = f"{PREFIX}nothing was run"


def hidden_refused(count: int) -> tuple[str, ...]:
    """The terminal did not show what was typed."""
    return (
        f"{PREFIX}{count} characters were typed and not shown; such lines are refused here",
        f"{PREFIX}stty echo makes them visible again",
        _NOTHING_RUN,
    )


def line_changed() -> tuple[str, ...]:
    """What the screen shows is no longer what was judged."""
    return (f"{PREFIX}the line changed while it was being decided", _NOTHING_RUN)


def keys_ignored() -> tuple[str, ...]:
    """Somebody types while a line is held."""
    return (f"{PREFIX}held; other keys are ignored until it is decided",)


def withdrawn() -> tuple[str, ...]:
    """Whoever asked took it back."""
    return (f"{PREFIX}withdrawn", _NOTHING_RUN)


def full_screen_refused() -> tuple[str, ...]:
    """A program took the whole screen, and policy does not allow that."""
    return (f"{PREFIX}full-screen programs are not allowed here; Ctrl-C ends it",)


def no_prompt_seen() -> tuple[str, ...]:
    """The shell never says when a line is edited, and policy does not allow such shells."""
    return (
        f"{PREFIX}this shell does not say when it reads a command, so its lines cannot be decided",
        f"{PREFIX}bash, zsh and fish do; ssh <target> <command> works with every shell",
    )
