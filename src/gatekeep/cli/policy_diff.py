"""`gatekeep policy diff`: two versions of the policy side by side, on files and without a gateway.

Versions come from the state, which is opened to read only. What a difference means is decided in
`policy.comparison`; here it is found and shown.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Final

import typer

from gatekeep.cli.exits import Exit, Stop
from gatekeep.cli.output import Format, json_text, visible
from gatekeep.cli.policy_directory import action_of, all_cases, facts_of, load_policy_directory
from gatekeep.errors import GatekeepError, SettingsError
from gatekeep.gate.policy_ports import PolicyRecord
from gatekeep.journal.keys import KeyRing
from gatekeep.policy.comparison import UNCOVERED, Comparison, bearing_words, compare
from gatekeep.policy.loading import load
from gatekeep.policy.rules import PolicyVersion
from gatekeep.runtime.clock import SystemClock
from gatekeep.settings import Settings, load_settings
from gatekeep.stores.sqlite.state import StateStore

STATE_DB: Final = "state.db"
_DIGITS: Final = re.compile(r"active|[0-9a-f]{4,64}")
_SIGNS: Final = {"added": "+", "removed": "-", "changed": "~"}


def diff_command(
    *,
    old: Annotated[
        str, typer.Argument(help="A version (4 digits or more of it), a directory, or active.")
    ] = "active",
    new: Annotated[str, typer.Argument(help="The same; left out: the files.")] = "",
    policy: Annotated[
        Path | None,
        typer.Option("--policy", help="Directory of files and cases; else as in the settings."),
    ] = None,
    state: Annotated[
        Path | None, typer.Option("--state", help="State directory that holds the versions.")
    ] = None,
    output: Annotated[
        Format, typer.Option("--output", "-o", help="How to show it.")
    ] = Format.TABLE,
) -> int:
    """What differs between two versions: rules by id, and every case decided otherwise.

    Without arguments: the files against the active version.
    """
    place = _Place.of(policy, state)
    try:
        before, after = place.version(old), place.version(new) if new else place.files()
        found = compare(before, after, all_cases(place.directory), facts_of, action_of)
    except SettingsError as error:
        stop = Stop.of(error)
        stop.code = Exit.CHECK_FAILED
        raise stop from error
    if output is Format.TABLE:
        names = (f"{old} {before.name[:7]}", f"{new or place.directory} {after.name[:7]}")
        for line in _lines(found, *names):
            sys.stdout.write(visible(line) + "\n")
        if found.loosenings and not place.settings.policy.single_person:
            sys.stderr.write(
                "gatekeep: to put it into force two people are needed "
                "(policy.single_person is false)\n"
            )
    else:
        sys.stdout.write(json_text(found.document(), indent=2) + "\n")
    return Exit.DONE


class _Place:
    """Where versions are looked for: files in `directory`, what was in force in `state`."""

    def __init__(self, settings: Settings, directory: Path, state: Path, *, layered: bool) -> None:
        self.settings = settings
        self.directory = directory
        self._state = state
        self._layered = layered

    @classmethod
    def of(cls, policy: Path | None, state: Path | None) -> _Place:
        try:
            settings = load_settings(None, os.environ)
        except GatekeepError as error:
            raise Stop.of(error) from error
        directory = policy or settings.policy.dir
        return cls(settings, directory, state or settings.state_dir, layered=policy is None)

    def files(self) -> PolicyVersion:
        """The files, with the adopted rules where the directory is the gateway's own."""
        return load_policy_directory(self.directory, self._state if self._layered else None)

    def version(self, name: str) -> PolicyVersion:
        """A version by its digest, `active`, or a directory. Raises Stop or SettingsError."""
        if not _DIGITS.fullmatch(name):
            return load_policy_directory(Path(name))
        found = self._records(name)
        if not found and Path(name).is_dir():
            return load_policy_directory(Path(name))
        if len({one.digest for one in found}) != 1:
            what = f"{name} begins more than one version" if found else f"no version {name}"
            raise Stop(
                what if name != "active" else "no version was ever active here",
                why=str(self._state / STATE_DB),
                advice="gatekeep policy history lists them; or name a directory: policy diff DIR",
                code=Exit.NOT_FOUND,
            )
        return _loaded(found[0])

    def _records(self, name: str) -> list[PolicyRecord]:
        path = self._state / STATE_DB
        try:
            if not path.exists():
                return []
            return self._read(path, name)
        except PermissionError:
            raise Stop(
                f"{path} is not yours to read",
                advice="run this as the account of the gateway, or compare directories",
                code=Exit.NOT_ALLOWED,
            ) from None
        except SettingsError as error:
            raise Stop.of(error) from error

    def _read(self, path: Path, name: str) -> list[PolicyRecord]:
        ring = KeyRing.open(self.settings.keys_dir)
        with closing(StateStore.open_to_read(path, ring.state_db_key(), SystemClock())) as store:
            if name != "active":
                return list(store.policies_named(name))
            active = store.active_policy()
            return [active] if active is not None else []


def _loaded(record: PolicyRecord) -> PolicyVersion:
    try:
        return load(record.texts)
    except SettingsError as error:
        raise Stop(
            f"version {record.digest[:12]} does not load with this gatekeep", why=str(error),
            advice=f"gatekeep policy export {record.digest[:12]} --to DIR gives its text",
        ) from error  # fmt: skip


def _lines(found: Comparison, old: str, new: str) -> Iterator[str]:
    rules = found.rules
    counts = ", ".join(f"{len(rules.ids(kind))} {kind}" for kind in _SIGNS)
    yield f"{old} → {new}: {counts}, {rules.kept} as before"
    for change in rules.changes:
        sign = _SIGNS[change.kind]
        yield f"{sign} {change.effect} {change.id}  {change.place}  ({bearing_words(change)})"
        yield from (f"    {line}" for line in change.unified()[2:])
    if rules.files and not rules.changes:
        yield f"files differ outside the rules: {', '.join(rules.files)}"
    yield f"cases: {found.replayed} asked under both, {len(found.shifts)} decided otherwise"
    for shift in found.shifts:
        yield f"  {shift.kind}  {shift.words()}"
    for skipped in found.skipped:
        yield f"  not asked: {skipped}"
    yield f"{found.verdict()}; {UNCOVERED}"
