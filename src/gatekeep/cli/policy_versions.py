"""`gatekeep policy apply`, `history` and `export`: the versions that the running gateway knows.

All through the socket, as a principal. What may come into force is decided by the gateway.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gatekeep.cli.exits import Exit, Stop
from gatekeep.cli.output import Column, Kind, visible
from gatekeep.cli.verbs import Call

_COLUMNS: Final = (
    Column("TIME", "at_us", Kind.TIME),
    Column("VERSION", "version"),
    Column("STATE", "state"),
    Column("BY", "by"),
    Column("VIA", "via"),
    Column("RULES", "rules"),
    Column("CHANGES", "changes"),
    Column("REASON", "reason"),
)
_SHOWN_DIGITS: Final = 7
_FILE: Final = re.compile(r"[^/\x00]{1,250}\.cedar")
_VERSION: Final = re.compile(r"active|[0-9a-f]{4,64}")


def apply(
    call: Call,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the version.")] = "",
) -> None:
    """Put the gateway's policy files into force, after every check. Exit 8 when one fails."""
    done = call.gateway.post("/v1/policy/apply", {"reason": reason})
    if call.screen.format.value != "table":
        call.screen.document(done)
        return
    version = visible(done["policy"][:_SHOWN_DIGITS])
    if done["policy"] == done["before"]:
        call.screen.say(f"● policy {version} is in force already")
        return
    words = _changes(done) or "no rule differs"
    call.screen.say(f"● policy {version} is in force: {words}", following="gatekeep policy history")


def history(
    call: Call,
    *,
    limit: Annotated[int, typer.Option("--limit", help="At most so many.", min=1, max=1000)] = 100,
) -> None:
    """List the versions that were put into force or held back, newest first."""
    answer = call.gateway.get("/v1/policy/versions", limit=limit)
    rows = [
        {**one, "version": one["digest"][:_SHOWN_DIGITS], "changes": _changes(one)}
        for one in answer["versions"]
    ]
    call.screen.rows(_COLUMNS, rows, whole=answer)
    if answer["single_person"] and call.screen.format.value == "table":
        call.screen.say("one person alone may loosen this policy (policy.single_person)")


def export(
    call: Call,
    version: Annotated[
        str, typer.Argument(help="The beginning of its digest; left out: the active one.")
    ] = "active",
    *,
    to: Annotated[
        Path | None, typer.Option("--to", help="Directory; else that of the settings.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that differ.")] = False,
) -> None:
    """Write a version's files: the rules and those adopted on the gateway, ready for a commit.

    A file that differs is replaced with --force only; no file is ever deleted.
    """
    if not _VERSION.fullmatch(version):
        raise Stop(
            f"{version!r} is not a version", advice="gatekeep policy history", code=Exit.USAGE
        )
    found = call.gateway.get(f"/v1/policy/versions/{version}")
    place = to or _policy_directory()
    written = write_texts(found["texts"], place, force=force)
    digest = str(found["digest"])
    if call.screen.format.value == "table":
        for name in written:
            call.screen.data(visible(str(place / name)))
        count = f"{len(written)} of {len(found['texts'])} files written"
        call.screen.say(f"● policy {visible(digest[:_SHOWN_DIGITS])}: {count}")
    else:
        call.screen.document({"digest": digest, "to": str(place), "written": written})
    for name in _others(place, found["texts"]):
        call.screen.say(
            f"  {visible(name)} is not part of it and was left; it would be loaded with it"
        )


def write_texts(texts: Mapping[str, str], place: Path, *, force: bool) -> list[str]:
    """Write what is missing or, with `force`, differs; the names written. Raises Stop.

    Everything is looked at before anything is written.
    """
    for name in texts:
        # Names came over a socket: none may leave the directory.
        if not _FILE.fullmatch(name) or name.startswith("."):
            raise Stop(f"{name!r} is not the name of a policy file", advice="report it")
    try:
        place.mkdir(parents=True, exist_ok=True)
        differing = [name for name, text in texts.items() if _text(place / name) != text]
        existing = [name for name in differing if os.path.lexists(place / name)]
        if existing and not force:
            raise Stop(
                f"{place / existing[0]} differs"
                + (f", and {len(existing) - 1} more" if len(existing) > 1 else ""),
                why="nothing was written",
                advice="export --to another directory and compare, or replace them with --force",
            )
        for name in differing:
            _write(place / name, texts[name])
    except OSError as error:
        raise Stop(f"{place} cannot be written", why=error.strerror or "") from error
    return sorted(differing)


def _text(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None


def _write(path: Path, text: str) -> None:
    """The file appears whole or not at all."""
    half = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        half.write_bytes(text.encode())
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


def _others(place: Path, texts: Mapping[str, str]) -> list[str]:
    return sorted(one.name for one in place.glob("*.cedar") if one.name not in texts)


def _policy_directory() -> Path:
    # Settings cost a tenth of a second to import, and are needed only here.
    from gatekeep.settings import load_settings  # noqa: PLC0415 - see above

    return load_settings(None, os.environ).policy.dir


def _changes(facts: Mapping[str, Any]) -> str:
    """`+2 -1 ~3, loosens`: rules added, removed, changed."""
    counts = [
        f"{sign}{len(facts[key])}"
        for sign, key in (("+", "added"), ("-", "removed"), ("~", "changed"))
        if facts.get(key)
    ]
    if facts.get("loosens"):
        counts.append("may loosen")
    return " ".join(counts)
