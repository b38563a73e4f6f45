"""The command line's root: mounts the nouns, and turns every end of a command into its exit code."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from gatekeep.cli import (
    approvals,
    audit,
    grants,
    policy,
    principals,
    requests,
    serving,
    sessions,
    standing_in,
    suggest,
    targets,
    tokens,
)
from gatekeep.cli.exits import Exit, Stop
from gatekeep.cli.verbs import Call, ReaderLeft, noun, verb, with_examples
from gatekeep.errors import GatekeepError

_EXAMPLES = (
    "gatekeep demo                                        everything, in one minute",
    "gatekeep audit tail                                  what happens, as it happens",
    "gatekeep audit search 'decision:deny since:1d'       what was refused",
)

_SHOWN: Final[Mapping[str, Callable[[Call, str], None]]] = {
    "S-": sessions.show_session,
    "G-": grants.show_grant,
    "R-": standing_in.show_review,
}


def show(
    call: Call,
    thing: Annotated[
        str, typer.Argument(help="K3F9 of a request, S-… of a session or suggestion, G-… or an event's number.")
    ],
) -> None:
    """Show whatever has this id."""
    kind = _SHOWN.get(thing[:2].upper())
    if thing.isascii() and thing.isdigit():
        audit.show_event(call, int(thing))
    elif suggest.is_suggestion(thing):
        suggest.show(call, thing)
    elif kind is not None:
        kind(call, thing)
    elif requests.is_request(thing):
        requests.show_request(call, thing)
    else:
        raise Stop(
            f"nothing is called {thing!r}",
            why="requests are called like K3F9; events have numbers; sessions and suggestions"
            " begin with S-, grants with G-, reviews with R-",
            advice="gatekeep audit search finds events",
            code=Exit.NOT_FOUND,
        )


def build() -> typer.Typer:
    """The whole command line."""
    root = noun(with_examples("An access gateway for SSH and Postgres.", _EXAMPLES))
    serving.mount(root)
    root.add_typer(audit.app, name="audit")
    root.add_typer(sessions.app, name="sessions")
    root.add_typer(requests.app, name="request")
    root.add_typer(approvals.app, name="approvals")
    root.add_typer(grants.app, name="grants")
    verb(
        root, "breakglass", examples=("gatekeep breakglass orders-prod --reason 'the site is down'",)
    )(grants.breakglass)  # fmt: skip
    root.add_typer(targets.app, name="targets")
    root.add_typer(principals.app, name="principals")
    root.add_typer(tokens.app, name="tokens")
    root.add_typer(policy.app, name="policy")
    root.add_typer(suggest.app, name="suggest")
    verb(root, "whoami", examples=("gatekeep whoami",))(principals.whoami)
    verb(root, "show", examples=("gatekeep show K3F9", "gatekeep show S-8QZ4", "gatekeep show 184467"))(show)
    return root


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    try:
        result = build()(args=list(arguments), prog_name="gatekeep", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("\ngatekeep: interrupted\n")
        return Exit.INTERRUPTED
    except (ReaderLeft, BrokenPipeError):
        # Python must not complain at exit of what it cannot write.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except Exception as error:  # noqa: BLE001 - the last resort of the process
        stop = _as_stop(error)
        stop.tell(sys.stderr)
        return stop.code
    return result if isinstance(result, int) else Exit.DONE


def _as_stop(error: Exception) -> Stop:
    if isinstance(error, Stop):
        return error
    if isinstance(error, GatekeepError):
        return Stop.of(error)
    if isinstance(error, typer.TyperException):
        return _usage(error)
    return _unforeseen(error)


def _usage(error: typer.TyperException) -> Stop:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "gatekeep"
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(error.format_message() + "\n\n")
        return Stop("name a verb", advice=f"{path} VERB --help", code=Exit.USAGE)
    return Stop(error.format_message().rstrip("."), advice=f"{path} --help", code=Exit.USAGE)


def _unforeseen(error: Exception) -> Stop:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    if os.environ.get("GATEKEEP_TRACEBACK"):
        traceback.print_exception(error)
    # No text of the error and no locals unasked: they may hold what nobody may see.
    return Stop(
        f"failed inside: {type(error).__name__}",
        why=f"at {Path(frame.filename).name}:{frame.lineno}",
        advice="report it, with the output under GATEKEEP_TRACEBACK=1",
    )


def main() -> None:
    """Entry point of the `gatekeep` program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A reader whose encoding lacks a sign gets its code, not a failure.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
