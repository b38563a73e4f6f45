"""`gatekeep tokens`: make, list and revoke access tokens through the socket."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gatekeep.cli.exits import Exit, Stop
from gatekeep.cli.output import Column, Kind, visible
from gatekeep.cli.verbs import Call, noun, verb

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_COLUMNS: Final = (
    Column("ID", "id"),
    Column("PRINCIPAL", "principal"),
    Column("CREATED", "created_us", Kind.TIME),
    Column("EXPIRES", "expires_us", Kind.TIME),
    Column("REVOKED", "revoked_us", Kind.TIME),
    Column("NOTE", "note"),
)

app = noun("Access tokens: the password of a principal at the gateway's doors.")


def seconds(text: str) -> int:
    """A duration such as `90s`, `15m`, `8h`, `30d` in seconds. Raises Stop (usage)."""
    match = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text)
    if match is None:
        raise Stop(
            f"{text!r} is not a duration",
            advice="write a number and s, m, h or d, such as 8h",
            code=Exit.USAGE,
        )
    return int(match[1]) * _UNITS[match[2]]


@verb(
    app,
    "new",
    examples=(
        "gatekeep tokens new alice --ttl 8h",
        "gatekeep tokens new ci-bot --ttl 30d --note 'nightly build' --token-file ci.token",
        "PGPASSWORD=$(gatekeep tokens new alice --ttl 1h) psql ...",
    ),
)
def new(
    call: Call,
    principal: Annotated[
        str | None, typer.Argument(help="For whom; yourself when left out.")
    ] = None,
    *,
    ttl: Annotated[
        str | None, typer.Option("--ttl", help="How long it lives: 90s, 15m, 8h, 30d.")
    ] = None,
    note: Annotated[str, typer.Option("--note", help="What it is for.")] = "",
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", help="Write the secret there (0600), not to stdout."),
    ] = None,
) -> None:
    """Make a token. Its secret is shown once and kept nowhere."""
    wish: dict[str, Any] = {"note": note}
    if principal is not None:
        wish["principal"] = principal
    if ttl is not None:
        wish["ttl_s"] = seconds(ttl)
    # The file first: a secret that cannot be kept would be lost with the answer.
    sink = _private_file(token_file) if token_file else None
    try:
        made = call.gateway.post("/v1/tokens", wish)
    except BaseException:
        if sink is not None and token_file is not None:
            os.close(sink)
            token_file.unlink()
        raise
    _hand_over(call, made, sink)
    token = made["token"]
    call.screen.say(
        f"● token {visible(token['id'])} made for {visible(token['principal'])}",
        following=f"gatekeep tokens revoke {visible(token['id'])}",
    )


def _hand_over(call: Call, made: Any, sink: int | None) -> None:
    if sink is None and call.screen.format.value == "table":
        call.screen.data(made["secret"])
    elif sink is None:
        call.screen.document(made)
    else:
        with os.fdopen(sink, "w") as file:
            file.write(made["secret"] + "\n")


def _private_file(path: Path) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Stop(
            f"{path} cannot be written",
            why=error.strerror or "",
            advice="name a file that does not exist yet",
        ) from None


@verb(app, "ls", examples=("gatekeep tokens ls", "gatekeep tokens ls -o json"))
def ls(call: Call) -> None:
    """List tokens, newest first, never their secrets. Yours, or all if you may make them."""
    answer = call.gateway.get("/v1/tokens")
    call.screen.rows(_COLUMNS, answer["tokens"])


@verb(app, "revoke", examples=("gatekeep tokens revoke 7f3a",))
def revoke(
    call: Call, token_id: Annotated[str, typer.Argument(help="Its id, or the beginning of it.")]
) -> None:
    """Revoke a token at once."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", token_id):
        raise Stop(f"{token_id!r} is not the id of a token", code=Exit.NOT_FOUND)
    token = call.gateway.delete(f"/v1/tokens/{token_id}")["token"]
    call.screen.say(
        f"■ token {visible(token['id'])} of {visible(token['principal'])} revoked",
        following="gatekeep tokens ls",
    )
