"""`gatekeep principals password`: turns a password into the line that principals.yaml refers to.

Works on what it is given and asks no gateway; the password is never an argument.
"""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from gatekeep.cli.exits import Exit, Stop
from gatekeep.identity.passwords import hashed, too_weak


def password_command(
    *,
    password_file: Annotated[
        Path | None,
        typer.Option("--password-file", help="Read it from this file's first line."),
    ] = None,
) -> int:
    """Read a password twice from the terminal, or from a file, and print its hash line."""
    password = _from_file(password_file) if password_file else _from_terminal()
    weakness = too_weak(password)
    if weakness:
        raise Stop("this password will not do", why=weakness, advice="choose a longer one")
    sys.stdout.write(hashed(password) + "\n")
    sys.stderr.write(
        "keep the line in a file of its own (0600) and name it in principals.yaml:"
        " password: file:/path\n"
    )
    return Exit.DONE


def _from_file(path: Path) -> str:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror or "" if isinstance(error, OSError) else "it is no UTF-8 text"
        raise Stop(f"{path} cannot be read", why=why, advice="name a text file") from None
    return text.partition("\n")[0].removesuffix("\r")


def _from_terminal() -> str:
    if not sys.stdin.isatty():
        raise Stop(
            "there is no terminal to read a password from",
            advice="use --password-file",
            code=Exit.USAGE,
        )
    first = getpass.getpass("Password: ")
    if getpass.getpass("The same again: ") != first:
        raise Stop("the two passwords differ", advice="try again", code=Exit.FAILED)
    return first
