"""What the steps of the tour are made of: programs run as a visitor would, and a promise that holds or not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gatekeep.errors import GatekeepError

STEP_S: Final = 60
CLI: Final = (sys.executable, "-m", "gatekeep.cli.main")
_SHOWN_LINES: Final = 12

Done = subprocess.CompletedProcess[str]


class TourFailed(GatekeepError):  # noqa: N818 - reads as what happened
    """A step of the tour did not answer as promised."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What the tour looks at: the door, people's tokens, the files, and the programs.

    `token_of_alice` is the token itself, `token_file_of_bob` a file with his; `code_secret_of_bob`
    is a file with the base32 secret of his one-time codes.
    """

    host: str
    port: int
    target: str
    token_of_alice: str
    token_file_of_bob: Path
    code_secret_of_bob: Path
    settings: Path
    journal: Path
    keys: Path
    psql: Path


def psql_command(sight: Sight, *statements: str) -> tuple[list[str], dict[str, str]]:
    """The engineer's psql with these statements, and its environment."""
    dsn = f"host={sight.host} port={sight.port} user=alice dbname={sight.target}"
    line = [str(sight.psql), "-X", dsn]
    for statement in statements:
        line += ["-c", statement]
    say(f"   $ psql … {' '.join(line[3:])}")
    return line, {"PGPASSWORD": sight.token_of_alice, "PATH": os.defpath}


def psql(sight: Sight, statement: str) -> Done:
    """Run the engineer's psql to its end, and show what it said."""
    return run(*psql_command(sight, statement))


def gatekeep(sight: Sight, *arguments: str) -> Done:
    """Run our own command line, and show it and what it said."""
    say(f"   $ gatekeep {' '.join(arguments)}")
    done = quietly(sight, *arguments)
    show(done)
    return done


def quietly(sight: Sight, *arguments: str) -> Done:
    """Run our own command line."""
    return finished([*CLI, *arguments], {**os.environ, "GATEKEEP_CONFIG": str(sight.settings)})


def run(command: list[str], environment: Mapping[str, str]) -> Done:
    """Run a program and show the first lines of what it said."""
    done = finished(command, environment)
    show(done)
    return done


def finished(command: list[str], environment: Mapping[str, str]) -> Done:
    """Run a program to its end."""
    return subprocess.run(  # noqa: S603 - our own programs with our own arguments
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=STEP_S,
        check=False,
        env=dict(environment),
    )


def show(done: Done) -> None:
    """The first lines of what a program said."""
    for line in (done.stdout + done.stderr).splitlines()[:_SHOWN_LINES]:
        say(f"   | {line}")


def expect(held: bool, promise: str, answer: Done) -> None:
    """Say that a promise was kept. Raises TourFailed where it was not."""
    if not held:
        raise TourFailed(
            f"the tour stopped: expected that {promise}",
            cause=f"exit {answer.returncode}: {answer.stdout[-500:]}{answer.stderr[-500:]}",
        )
    say(f"   ● {promise}")


def say(line: str) -> None:
    """One line to whoever watches."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
