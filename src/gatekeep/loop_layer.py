"""The adopted layer: the rules of suggestions that are in force, as one file of the policy.

Part of the composition root. The truth is `state.db`; the file is written from it, whole or not at
all, and a rule in it that no longer fits the other files is left out, never the gateway kept down.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gatekeep.cli.policy_directory import demand_cases, read_texts
from gatekeep.errors import JournalUnavailable, SettingsError
from gatekeep.loop_layer_text import ADOPTED, composed, rules_of, with_layer
from gatekeep.policy.loading import load
from gatekeep.policy.rules import PolicyVersion


@dataclass(frozen=True, slots=True)
class Dropped:
    """A rule that does not fit the files any more, and why."""

    rule_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Fitted:
    """Files and layer together; `dropped` is what had to be left out of the layer."""

    version: PolicyVersion
    dropped: tuple[Dropped, ...] = ()


def layer_path(state_dir: Path) -> Path:
    """Where the layer stands."""
    return state_dir / "policy" / ADOPTED


def fitted(directory: Path, layer: str) -> Fitted:
    """The policy of a directory with this layer, without those of its rules that do not fit.

    A layer that was exported into the directory counts as it is here. Raises SettingsError where
    the files are wrong by themselves.
    """
    own = with_layer(read_texts(directory), "")
    try:
        return Fitted(_tried(own, layer, directory))
    except SettingsError:
        if not layer:
            raise
    _tried(own, "", directory)  # if they are wrong by themselves, that is what is to be told
    kept: list[str] = []
    dropped: list[Dropped] = []
    for rule_id, text in rules_of(layer):
        try:
            _tried(own, composed([*kept, text]), directory)
        except SettingsError as error:
            dropped.append(Dropped(rule_id, error.public))
        else:
            kept.append(text)
    return Fitted(_tried(own, composed(kept), directory), tuple(dropped))


def _tried(own: Mapping[str, str], layer: str, directory: Path) -> PolicyVersion:
    version = load(with_layer(own, layer), str(directory))
    if layer:
        demand_cases(version, directory)
    return version


def read_layer(state_dir: Path) -> str:
    """What stands in the file, empty if there is none. Raises SettingsError."""
    path = layer_path(state_dir)
    try:
        return path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            "the adopted rules cannot be read", file=str(path), key="state_dir",
            fix="run this as the account of the gateway",
        ) from error  # fmt: skip


def write_layer(state_dir: Path, text: str) -> None:
    """Make the file hold this, durably, or be gone. Raises JournalUnavailable."""
    path = layer_path(state_dir)
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if text:
            half = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            half.replace(path)
        else:
            path.unlink(missing_ok=True)
        place = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(place)
        finally:
            os.close(place)
    except OSError as error:
        raise JournalUnavailable("the adopted rules cannot be written", cause=repr(error)) from error
