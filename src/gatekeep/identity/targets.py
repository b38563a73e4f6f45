"""Reads targets.yaml and keeps the book of targets. Dialling them is the proxies' job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gatekeep.documents import FilePath, everything, first_with_rest, read_document, validated
from gatekeep.domain.targets import Account, SshWay, Target, TargetKind, TargetTls
from gatekeep.errors import SettingsError
from gatekeep.identity.certificates import certificates_of, demand_pair, exposed_key
from gatekeep.identity.principals import Line, Name, duplicates, items_of
from gatekeep.identity.secrets import SecretReader
from gatekeep.identity.ssh_targets import (
    SshKeysOfTarget,
    beside,
    foreign_keys,
    login_faults,
    one_pin_faults,
    ssh_faults,
    ssh_way,
)

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


class _Login(BaseModel):
    """One account: secret references. A text alone is that of its password."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    password: Line | None = None
    certificate: Line | None = None
    key: Line | None = None
    agent: Line | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"password": value}
        if not isinstance(value, dict):
            raise ValueError("must be text | put the reference in quotes")  # noqa: TRY004 - pydantic's way
        return value


class _Written(SshKeysOfTarget):
    """One item of the list."""

    name: Name
    kind: Literal["postgres", "ssh"]
    host: Host
    port: Annotated[int, Field(strict=True, ge=1, le=65535)] | None = None
    database: Line | None = None
    accounts: dict[AccountName, _Login] = Field(min_length=1)
    tls: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] = "prefer"
    tls_ca: FilePath | None = None
    tls_negotiation: Literal["postgres", "direct"] = "postgres"
    channel_binding: Literal["prefer", "require"] = "prefer"
    auth: Literal["scram", "md5", "password", "certificate"] = "scram"
    environment: Line | None = None
    labels: tuple[Line, ...] = ()
    owner: Line | None = None
    slack_detail: Literal["full", "redacted"] = "full"
    trusted_code: tuple[Line, ...] = ()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port or _PORTS[TargetKind(self.kind)]


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
    ways: list[tuple[tuple[str, int], SshWay, str]] = []
    for index, item in enumerate(items_of(document, "targets", file)):
        key = f"targets[{index}]"
        try:
            written = validated(_Written, item, file, prefix=f"{key}.")
        except SettingsError as error:
            problems.extend(everything(error))
            continue
        problems += foreign_keys(written.kind, written.model_fields_set, file, key)
        check = _ssh_problems if written.kind == "ssh" else _postgres_problems
        problems += check(written, file, key, secrets)
        names.append((written.name, f"{key}.name"))
        targets.append(_target(written, file))
        if targets[-1].ssh is not None:
            ways.append((written.address, targets[-1].ssh, key))
    problems += duplicates(names, file)
    problems += one_pin_faults(ways, file)
    if problems:
        raise first_with_rest(problems)
    return tuple(targets)


def _ssh_problems(
    written: _Written, file: str, key: str, secrets: SecretReader
) -> Iterator[SettingsError]:
    """What is wrong with a target of kind ssh."""
    yield from ssh_faults(written, written.address, file, key)
    for account, login in written.accounts.items():
        yield from login_faults(login, file, f"{key}.accounts.{account}", secrets)


def _postgres_problems(
    written: _Written, file: str, key: str, secrets: SecretReader
) -> Iterator[SettingsError]:
    """What is wrong with a target of kind postgres."""
    yield from _contradictions(written, file, key)
    yield from _unreadable(written, file, key, secrets)


def _contradictions(written: _Written, file: str, key: str) -> Iterator[SettingsError]:
    """What is right alone and wrong together."""
    yield from _unprotected(written, file, key)
    if written.tls_ca is not None and written.tls in ("disable", "prefer", "require"):
        yield SettingsError(
            f"is not looked at with tls: {written.tls}",
            file=file,
            key=f"{key}.tls_ca",
            fix="set tls: verify-full",
        )
    if written.tls_ca is not None:
        try:
            held = beside(written.tls_ca, file).read_text()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", "") or "no PEM text"
            held, fault = "", f"cannot be read ({why})"
        else:
            fault = "" if certificates_of(held) else "holds no certificate"
        if fault:
            yield SettingsError(
                fault,
                file=file,
                key=f"{key}.tls_ca",
                fix="give the PEM file of who signed the target's certificate",
            )
    for name, login in written.accounts.items():
        yield from _incomplete(written, login, file, f"{key}.accounts.{name}")


def _unprotected(written: _Written, file: str, key: str) -> Iterator[SettingsError]:
    """Demands that the chosen `tls` does not fulfil."""
    if written.auth == "password" and written.tls != "verify-full":
        yield SettingsError(
            "password would send the secret in clear to whoever answers",
            file=file,
            key=f"{key}.auth",
            fix="set tls: verify-full, or auth: scram",
        )
    if written.auth == "certificate" and written.tls != "verify-full":
        yield SettingsError(
            "certificate leaves the proof of who answers to TLS alone",
            file=file,
            key=f"{key}.auth",
            fix="set tls: verify-full, or auth: scram",
        )
    if written.channel_binding == "require" and written.auth != "scram":
        yield SettingsError(
            f"cannot be required with auth: {written.auth}",
            file=file,
            key=f"{key}.channel_binding",
            fix="set auth: scram, or leave channel_binding out",
        )
    if written.tls in ("disable", "prefer"):
        asked = (
            ("channel_binding", written.channel_binding == "require"),
            ("tls_negotiation", written.tls_negotiation == "direct"),
        )
        for name, wrong in asked:
            if wrong:
                yield SettingsError(
                    f"needs TLS always, and tls is {written.tls}",
                    file=file,
                    key=f"{key}.{name}",
                    fix="set tls: verify-full (or require, which believes whoever answers)",
                )


def _incomplete(
    written: _Written, login: _Login, file: str, key: str
) -> Iterator[SettingsError]:
    """An account that lacks something, or has what is never used."""
    if login.agent is not None:
        yield SettingsError(
            "means nothing for a target of kind postgres",
            file=file,
            key=f"{key}.agent",
            fix="take it away",
        )
    if login.password is None and written.auth != "certificate":
        yield SettingsError(
            f"has no password, and auth is {written.auth}",
            file=file,
            key=key,
            fix="add password: with a secret reference, or set auth: certificate",
        )
    if (login.certificate is None) is not (login.key is None):
        lacking = "certificate" if login.certificate is None else "key"
        yield SettingsError(
            f"has no {lacking}", file=file, key=key, fix="certificate and key go together"
        )
    elif login.certificate is None and written.auth == "certificate":
        yield SettingsError(
            "has no certificate, and auth is certificate",
            file=file,
            key=key,
            fix="add certificate: and key:, each a secret reference",
        )
    elif login.certificate is not None and written.tls in ("disable", "prefer"):
        yield SettingsError(
            f"has a certificate, which tls: {written.tls} may never show",
            file=file,
            key=key,
            fix="set tls: verify-full",
        )


def _unreadable(
    written: _Written, file: str, key: str, secrets: SecretReader
) -> Iterator[SettingsError]:
    """An error for each account whose secrets cannot be read or used."""
    for account, login in written.accounts.items():
        place = f"{key}.accounts.{account}"
        try:
            if login.password is not None:
                secrets.read(login.password, file=file, key=place)
            if login.certificate is not None and login.key is not None:
                _demand_certificate(login.certificate, login.key, file, place, secrets)
        except SettingsError as error:
            yield error


def _demand_certificate(
    certificate: str, key: str, file: str, place: str, secrets: SecretReader
) -> None:
    shown = secrets.read(certificate, file=file, key=f"{place}.certificate")
    held = secrets.read(key, file=file, key=f"{place}.key")
    exposed = exposed_key(key)
    if exposed:
        raise SettingsError(
            f"{exposed} can be read by others than its owner",
            file=file,
            key=f"{place}.key",
            fix=f"chmod 600 {exposed}",
        )
    demand_pair(shown, held, file=file, place=place)


def _target(written: _Written, file: str) -> Target:
    kind = TargetKind(written.kind)
    return Target(
        name=written.name,
        kind=kind,
        host=written.host,
        port=written.address[1],
        database=written.database or "",
        accounts={name: _account(name, login) for name, login in written.accounts.items()},
        tls=TargetTls(written.tls),
        tls_ca=str(beside(written.tls_ca, file)) if written.tls_ca else "",
        direct_tls=written.tls_negotiation == "direct",
        channel_binding=written.channel_binding == "require",
        auth=written.auth,
        environment=written.environment or "",
        labels=frozenset(written.labels),
        owner=written.owner or "",
        slack_detail=written.slack_detail,
        trusted_code=frozenset(written.trusted_code),
        login_shell=written.login_shell,
        ssh=ssh_way(written, file) if kind is TargetKind.SSH else None,
    )


def _account(name: str, login: _Login) -> Account:
    certificate, key, agent = login.certificate or "", login.key or "", login.agent or ""
    return Account(name, login.password or "", certificate, key, agent)
