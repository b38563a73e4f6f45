"""How a function becomes a verb: shared options, the screen, the socket. No verb lives here."""

from __future__ import annotations

import importlib
import inspect
import os
import shutil
import sys
import typing
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import typer

from gatekeep.cli.client import GatewayClient
from gatekeep.cli.exits import Exit, Stop
from gatekeep.cli.output import Colour, Format, Screen, Surface
from gatekeep.cli.reaching import find_token, find_way

Function = Callable[..., int | None]


class ReaderLeft(Exception):  # noqa: N818 - not a mistake: whoever read stdout has enough
    """Nobody reads stdout any more."""


class Call:
    """One run of a verb: where to write, and the gateway to ask."""

    def __init__(
        self,
        *,
        output: Format,
        color: Colour,
        header: bool,
        state: Path | None = None,
        url: str = "",
        token_file: Path | None = None,
    ) -> None:
        width = shutil.get_terminal_size().columns
        surface = Surface.of(sys.stdout, os.environ, color, width)
        self.screen = Screen(surface, output, header=header)
        self._state = state
        self._url = url
        self._token_file = token_file

    @cached_property
    def gateway(self) -> GatewayClient:
        """The gateway, looked for when first needed."""
        way = find_way(self._url, self._state, os.environ)
        return GatewayClient(way, find_token(self._token_file, os.environ))


_SHARED: dict[str, tuple[Any, Any]] = {
    "output": (
        Annotated[Format, typer.Option("--output", "-o", help="How to show the result.")],
        Format.TABLE,
    ),
    "state": (
        Annotated[
            Path | None,
            typer.Option("--state", help="State directory of the gateway.", show_default=False),
        ],
        None,
    ),
    "url": (
        Annotated[
            str,
            typer.Option("--url", help="Address of the gateway, instead of its socket."),
        ],
        "",
    ),
    "token_file": (
        Annotated[
            Path | None,
            typer.Option(
                "--token-file", help="Act as the principal of this token.", show_default=False
            ),
        ],
        None,
    ),
    "color": (Annotated[Colour, typer.Option("--color", help="When to use colour.")], Colour.AUTO),
    "header": (
        Annotated[bool, typer.Option("--header", help="A header line in a pipe, too.")],
        False,
    ),
}


def noun(help_: str) -> typer.Typer:
    """A group of verbs."""
    return typer.Typer(
        help=help_, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False
    )


def verb(
    app: typer.Typer, name: str, *, examples: tuple[str, ...] = ()
) -> Callable[[Function], Function]:
    """Mount a function whose first argument is its Call, with the shared options added.

    An option of the function's own goes before a shared one of that name.
    """

    def mount(function: Function) -> Function:
        signature = inspect.signature(function)
        hints = typing.get_type_hints(function, include_extras=True)
        own = list(signature.parameters.values())[1:]
        lent = {key: one for key, one in _SHARED.items() if key not in signature.parameters}

        def command(**given: Any) -> int | None:
            shared = {key: given.pop(key) for key in lent}
            try:
                return function(Call(**shared), **given)
            except BrokenPipeError:
                # typer would end the process with 1 for any error of this number.
                raise ReaderLeft from None

        added = [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for key, (kind, default) in lent.items()
        ]
        kept = [p.replace(kind=p.KEYWORD_ONLY, annotation=hints[p.name]) for p in own]
        command.__signature__ = signature.replace(parameters=kept + added)  # type: ignore[attr-defined]  # a function takes any attribute
        command.__annotations__ = {p.name: p.annotation for p in kept + added}
        command.__wrapped_parameters__ = _SHARED.keys() - lent.keys()  # type: ignore[attr-defined]  # as above; a test looks at it
        help_ = with_examples(inspect.getdoc(function) or "", examples)
        app.command(name, help=help_, short_help=first_sentence(function))(command)
        return function

    return mount


def first_sentence(function: Function) -> str:
    """What the list of verbs says of one."""
    return (inspect.getdoc(function) or "").partition("\n")[0]


def with_examples(text: str, examples: tuple[str, ...]) -> str:
    """Help that opens with examples; its first character (backspace) keeps their lines apart."""
    if not examples:
        return text
    shown = "\n".join(f"  $ {example}" for example in examples)
    return f"\b\nExamples:\n{shown}\n\n{text}"


def lend(app: typer.Typer, name: str, place: str, help_: str, *, usage: Exit = Exit.USAGE) -> None:
    """Mount a verb that is written elsewhere: `module:function`, with typer's annotations.

    Its module is imported when the verb is used, because those bring the parser, the policy
    engine or the database with them, and `gatekeep --help` needs none. `usage` is the exit code of
    a call that makes no sense.
    """

    def command(ctx: typer.Context) -> int:
        module, function = place.split(":")
        inner = typer.Typer(
            add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
        )
        inner.command(help=None)(getattr(importlib.import_module(module), function))
        try:
            result = inner(args=ctx.args, prog_name=ctx.command_path, standalone_mode=False)
        except typer.TyperException as error:
            advice = f"{ctx.command_path} --help"
            raise Stop(error.format_message().rstrip("."), advice=advice, code=usage) from None
        return result if isinstance(result, int) else 0

    app.command(
        name,
        help=help_,
        add_help_option=False,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )(command)
