"""Reads principals.yaml: who there is. How they prove it lives in `tokens` and `directory`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, StringConstraints

from gatekeep.documents import (
    MailAddress,
    everything,
    first_with_rest,
    read_document,
    validated,
)
from gatekeep.domain.identity import Principal
from gatekeep.errors import SettingsError
from gatekeep.identity.zones import Zone
from gatekeep.messages import printable

#: The principal of the OS account that owns the state directory.
OWNER: Final = "owner"
OWNERS: Final = "owners"

#: `+`, `/` and `@` never occur in a name, so that they always separate.
NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9._-]*$"

Name = Annotated[str, StringConstraints(strict=True, max_length=63, pattern=NAME_PATTERN)]
Line = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$"),
]
LongLine = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=16_384, pattern=r"^[^\x00-\x1f\x7f]+$"),
]


@dataclass(frozen=True, slots=True)
class PrincipalEntry:
    """One principal as written: `keys` are SSH public keys, `tokens` secret references.

    `totp` refers to the secret of its one-time codes, the second factor over SSH and in browsers,
    `password` to the hash line of its password for browsers. `mail` is where the person is written
    to, `zone` whose time he reads there. `file` and `key` say where it stands, for errors that are
    found later.
    """

    principal: Principal
    keys: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    file: str = ""
    key: str = ""
    totp: str = ""
    password: str = ""
    mail: str = ""
    zone: str = ""


class _Written(BaseModel):
    """One item of the list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    person: Name | None = None
    owner: Name | None = None
    groups: tuple[Name, ...] = ()
    os_user: Line | None = None
    keys: tuple[LongLine, ...] = ()
    tokens: tuple[Line, ...] = ()
    totp: Line | None = None
    password: Line | None = None
    mail: MailAddress | None = None
    zone: Zone | None = None


def load_principals(file: Path) -> tuple[PrincipalEntry, ...]:
    """The principals of a file, in its order.

    Raises SettingsError for the first fault; the others hang at its `also`.
    """
    return principals_of(read_document(file), str(file))


def principals_of(document: object, file: str) -> tuple[PrincipalEntry, ...]:
    """The principals of a document that was read from `file`. Raises SettingsError."""
    problems: list[SettingsError] = []
    entries: list[PrincipalEntry] = []
    for index, item in enumerate(items_of(document, "principals", file)):
        key = f"principals[{index}]"
        try:
            written = validated(_Written, item, file, prefix=f"{key}.")
        except SettingsError as error:
            problems.extend(everything(error))
            continue
        if written.name == OWNER:
            problems.append(
                SettingsError(
                    f"{OWNER} is reserved",
                    file=file,
                    key=f"{key}.name",
                    fix="choose another name; it is who owns the state directory",
                )
            )
        entries.append(_entry(written, file, key))
    problems += duplicates(((one.principal.name, f"{one.key}.name") for one in entries), file)
    problems += duplicates(((one.principal.os_user, f"{one.key}.os_user") for one in entries), file)
    if problems:
        raise first_with_rest(problems)
    return tuple(entries)


def items_of(document: object, name: str, file: str) -> list[object]:
    """The list below the only key `name` of a document; none for an empty one.

    Raises SettingsError for any other shape.
    """
    if document is None:
        return []
    fix = f"start the file with '{name}:' and list below it, each with '- name: …'"
    if not isinstance(document, dict):
        raise SettingsError(f"must hold {name}", file=file, key=name, fix=fix)
    for key in document:
        if key != name:
            raise SettingsError("is not a known key", file=file, key=printable(str(key)), fix=fix)
    items = document.get(name)
    if items is None:
        return []
    if not isinstance(items, list):
        raise SettingsError("must be a list", file=file, key=name, fix=fix)
    return items


def duplicates(named: Iterable[tuple[str, str]], file: str) -> list[SettingsError]:
    """An error for each (value, key) whose value came before; empty values do not count."""
    seen: dict[str, str] = {}
    problems: list[SettingsError] = []
    for value, key in named:
        if value and value in seen:
            problems.append(
                SettingsError(
                    f"{value} is used twice",
                    file=file,
                    key=key,
                    fix=f"change it here or at {seen[value]}",
                )
            )
        seen.setdefault(value, key)
    return problems


def _entry(written: _Written, file: str, key: str) -> PrincipalEntry:
    principal = Principal(
        name=written.name,
        person=written.person or written.owner or written.name,
        groups=frozenset(written.groups),
        owner=written.owner or "",
        os_user=written.os_user or "",
    )
    return PrincipalEntry(
        principal, written.keys, written.tokens, file, key, written.totp or "",
        written.password or "", written.mail or "", written.zone or "",
    )  # fmt: skip
