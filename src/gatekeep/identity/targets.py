"""Reads targets.yaml and keeps the book of targets. Dialling them is the proxies' job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gatekeep.documents import FilePath, everything, first_with_rest, read_document, validated
from gatekeep.domain.targets import Account, Target, TargetKind, TargetTls
from gatekeep.errors import SettingsError
from gatekeep.identity.principals import Line, Name, duplicates, items_of
from gatekeep.identity.secrets import SecretReader

_PORTS: Final[Mapping[TargetKind, int]] = {TargetKind.POSTGRES: 5432, TargetKind.SSH: 22}

#: A host name or address; no blanks, so that it cannot smuggle connection parameters.
Host = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=255, pattern=r"^[A-Za-z0-9._:\-]+$"),
]
#: Log-ins are named by the target's owner, so capitals are allowed; separators still are not.
AccountName = Annotated[
    str, StringConstraints(strict=True, max_length=63, pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")
]


class _Written(BaseModel):
    """One item of the list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    kind: Literal["postgres", "ssh"]
    host: Host
    port: Annotated[int, Field(strict=True, ge=1, le=65535)] | None = None
    database: Line | None = None
    accounts: dict[AccountName, Line] = Field(min_length=1)
    tls: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] = "prefer"
    tls_ca: FilePath | None = None
    auth: Literal["scram", "md5", "password"] = "scram"
    environment: Line | None = None
    labels: tuple[Line, ...] = ()
    owner: Line | None = None
    slack_detail: Literal["full", "redacted"] = "full"
    trusted_code: tuple[Line, ...] = ()
    login_shell: Line = "bash"


class FileTargetBook:
    """The registered targets; `reload` swaps all of them at once. Implements gate.ports.TargetBook."""

    def __init__(self, targets: Iterable[Target], secrets: SecretReader) -> None:
        self._secrets = secrets
        self._targets: Mapping[str, Target] = {}
        self.reload(targets)

    def reload(self, targets: Iterable[Target]) -> None:
        """Replace all targets."""
        self._targets = {
            target.name: target for target in sorted(targets, key=lambda one: one.name)
        }

    def target(self, name: str) -> Target | None:
        """The target of that alias, if there is one."""
        return self._targets.get(name)

    def targets(self) -> Sequence[Target]:
        """All of them, by name."""
        return tuple(self._targets.values())

    def secret(self, reference: str) -> str:
        """The value behind a secret reference, read now. Raises SettingsError."""
        return self._secrets.read(reference)


def load_targets(file: Path, secrets: SecretReader) -> tuple[Target, ...]:
    """The targets of a file, in its order; every secret was read once, to know that it can be.

    Raises SettingsError for the first fault; the others hang at its `also`.
    """
    return targets_of(read_document(file), str(file), secrets)


def targets_of(document: object, file: str, secrets: SecretReader) -> tuple[Target, ...]:
    """The targets of a document that was read from `file`. Raises SettingsError."""
    problems: list[SettingsError] = []
    targets: list[Target] = []
    names: list[tuple[str, str]] = []
    for index, item in enumerate(items_of(document, "targets", file)):
        key = f"targets[{index}]"
        try:
            written = validated(_Written, item, file, prefix=f"{key}.")
        except SettingsError as error:
            problems.extend(everything(error))
            continue
        problems += _contradictions(written, file, key)
        problems += _unreadable(written, file, key, secrets)
        names.append((written.name, f"{key}.name"))
        targets.append(_target(written, file))
    problems += duplicates(names, file)
    if problems:
        raise first_with_rest(problems)
    return tuple(targets)


def _contradictions(written: _Written, file: str, key: str) -> Iterator[SettingsError]:
    """What is right alone and wrong together."""
    if written.kind == "postgres" and written.auth == "password" and written.tls != "verify-full":
        yield SettingsError(
            "password would send the secret in clear to whoever answers",
            file=file,
            key=f"{key}.auth",
            fix="set tls: verify-full, or auth: scram",
        )
    if written.tls_ca is not None and written.tls in ("disable", "prefer", "require"):
        yield SettingsError(
            f"is not looked at with tls: {written.tls}",
            file=file,
            key=f"{key}.tls_ca",
            fix="set tls: verify-full",
        )
    if written.tls_ca is not None:
        try:
            with _beside(written.tls_ca, file).open("rb"):
                pass
        except OSError as error:
            yield SettingsError(
                f"cannot be read ({error.strerror or 'unknown reason'})",
                file=file,
                key=f"{key}.tls_ca",
                fix="give the PEM file of who signed the target's certificate",
            )


def _unreadable(
    written: _Written, file: str, key: str, secrets: SecretReader
) -> Iterator[SettingsError]:
    """An error for each account whose secret cannot be read."""
    for account, reference in written.accounts.items():
        try:
            secrets.read(reference, file=file, key=f"{key}.accounts.{account}")
        except SettingsError as error:
            yield error


def _target(written: _Written, file: str) -> Target:
    kind = TargetKind(written.kind)
    return Target(
        name=written.name,
        kind=kind,
        host=written.host,
        port=written.port or _PORTS[kind],
        database=written.database or "",
        accounts={name: Account(name, reference) for name, reference in written.accounts.items()},
        tls=TargetTls(written.tls),
        tls_ca=str(_beside(written.tls_ca, file)) if written.tls_ca else "",
        auth=written.auth,
        environment=written.environment or "",
        labels=frozenset(written.labels),
        owner=written.owner or "",
        slack_detail=written.slack_detail,
        trusted_code=frozenset(written.trusted_code),
        login_shell=written.login_shell,
    )


def _beside(path: Path, file: str) -> Path:
    """A relative path starts at the directory of the file that holds it."""
    return Path(file).resolve().parent / path
