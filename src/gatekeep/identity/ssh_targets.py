"""What targets.yaml says of targets of kind ssh: how they are known, and how accounts sign in.

The file as a whole, and targets of kind postgres, are read by `targets`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, Literal, Protocol

import asyncssh
from pydantic import BaseModel, ConfigDict

from gatekeep.documents import FilePath, everything
from gatekeep.domain.targets import SshWay
from gatekeep.errors import SettingsError
from gatekeep.identity.certificates import exposed_key
from gatekeep.identity.principals import Line, LongLine
from gatekeep.identity.secrets import SecretReader
from gatekeep.identity.ssh_public_keys import public_key_bytes

#: What only a target of the other kind can have.
POSTGRES_ONLY: Final = frozenset(
    {"database", "tls", "tls_ca", "tls_negotiation", "channel_binding", "auth", "trusted_code"}
)
SSH_ONLY: Final = frozenset(
    {"host_keys", "host_ca", "known_hosts", "host_key", "shell_hook", "hidden_input", "line_gate",
     "login_shell", "pin_files"}
)  # fmt: skip

_IDENTITY_FIX: Final = (
    "add host_keys: with the lines of ssh-keyscan that the host's owner confirms, host_ca:, or "
    "known_hosts: with a file; host_key: first_use believes whoever answers first"
)


class SshKeysOfTarget(BaseModel):
    """The keys of an item that only targets of kind ssh have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host_keys: tuple[LongLine, ...] = ()
    host_ca: LongLine | None = None
    known_hosts: FilePath | None = None
    host_key: Literal["first_use"] | None = None
    shell_hook: Literal["bash", "zsh", "off"] = "off"
    hidden_input: Literal["deny", "ask", "alert", "allow"] = "alert"
    line_gate: Literal["auto", "off"] = "auto"
    pin_files: bool = False
    login_shell: Line = "bash"


class SshLogin(Protocol):
    """One account as written: secret references, or the socket of an agent."""

    @property
    def password(self) -> str | None:
        """Its password."""

    @property
    def key(self) -> str | None:
        """Its private key, in OpenSSH's format."""

    @property
    def certificate(self) -> str | None:
        """The OpenSSH certificate of that key."""

    @property
    def agent(self) -> str | None:
        """The socket of an agent that holds its key."""


def foreign_keys(kind: str, written: Iterable[str], file: str, key: str) -> Iterator[SettingsError]:
    """An error for each key that a target of this kind cannot have."""
    other = POSTGRES_ONLY if kind == "ssh" else SSH_ONLY
    for name in sorted(other.intersection(written)):
        yield SettingsError(
            f"means nothing for a target of kind {kind}",
            file=file,
            key=f"{key}.{name}",
            fix="take it away",
        )


def ssh_faults(
    written: SshKeysOfTarget, address: tuple[str, int], file: str, key: str
) -> Iterator[SettingsError]:
    """What is wrong with the way a host is known. `address` is its host and port."""
    known = written.host_keys or written.host_ca or written.known_hosts
    if not known and written.host_key is None:
        fault = "has nothing that its host key could be checked against"
        yield SettingsError(fault, file=file, key=key, fix=_IDENTITY_FIX)
    if known and written.host_key is not None:
        fault = "believes whoever answers first, and the host's key is known"
        yield SettingsError(fault, file=file, key=f"{key}.host_key", fix="take it away")
    if written.pin_files and written.login_shell not in ("bash", "sh"):
        fault = f"means nothing where the login shell is {written.login_shell}"
        yield SettingsError(fault, file=file, key=f"{key}.pin_files", fix="take it away")
    lines = {f"host_keys[{number}]": line for number, line in enumerate(written.host_keys)}
    if written.host_ca is not None:
        lines["host_ca"] = written.host_ca
    for name, line in lines.items():
        try:
            public_key_bytes(line, file=file, key=f"{key}.{name}")
        except SettingsError as error:
            yield from everything(error)
    if written.known_hosts is not None:
        fault = _known_file_fault(beside(written.known_hosts, file), *address)
        if fault:
            yield SettingsError(
                fault,
                file=file,
                key=f"{key}.known_hosts",
                fix=f"add its line: ssh-keyscan -p {address[1]} {address[0]}",
            )


def login_faults(
    login: SshLogin, file: str, place: str, secrets: SecretReader
) -> Iterator[SettingsError]:
    """What is wrong with an account, its secrets tried."""
    ways = [name for name in ("key", "password", "agent") if getattr(login, name) is not None]
    if len(ways) != 1:
        has = " and ".join(ways) or "no key"
        fix = "give one of key:, password: and agent:"
        yield SettingsError(f"has {has}", file=file, key=place, fix=fix)
    if login.certificate is not None and login.key is None:
        fix = "certificate and key go together"
        yield SettingsError("has no key", file=file, key=place, fix=fix)
    if login.agent is not None and not Path(login.agent).is_absolute():
        fix = "give the path of the agent's socket, from the root"
        yield SettingsError("is no absolute path", file=file, key=f"{place}.agent", fix=fix)
    try:
        if login.password is not None:
            secrets.read(login.password, file=file, key=place)
        if login.key is not None:
            _try_key(login.key, login.certificate, file, place, secrets)
    except SettingsError as error:
        yield error


def ssh_way(written: SshKeysOfTarget, file: str) -> SshWay:
    """The same as a word of the domain."""
    return SshWay(
        host_keys=tuple(_bare(line) for line in written.host_keys),
        host_ca=_bare(written.host_ca) if written.host_ca else "",
        known_hosts=str(beside(written.known_hosts, file)) if written.known_hosts else "",
        first_use=written.host_key == "first_use",
        shell_hook=written.shell_hook,
        hidden_input=written.hidden_input,
        line_gate=written.line_gate,
        pin_files=written.pin_files,
    )


def one_pin_faults(
    ways: Iterable[tuple[tuple[str, int], SshWay, str]], file: str
) -> Iterator[SettingsError]:
    """Two names for one address have one pinned key: an error where their lists share none.

    Each way comes with its host and port, and the key of its item.
    """
    pins: dict[tuple[str, int], tuple[frozenset[str], str]] = {}
    for (host, port), way, key in ways:
        if not way.host_keys:
            continue
        address, held = (host.lower().rstrip("."), port), frozenset(way.host_keys)
        other = pins.setdefault(address, (held, key))
        if not other[0] & held:
            yield SettingsError(
                "pins other keys than another name of this address",
                file=file,
                key=f"{key}.host_keys",
                fix=f"one host has one key; compare with {other[1]}.host_keys",
            )


def beside(path: Path, file: str) -> Path:
    """A relative path starts at the directory of the file that holds it."""
    return Path(file).resolve().parent / path


def keys_known_of(path: Path, host: str, address: str, port: int) -> Mapping[str, list[str]]:
    """What a known_hosts file says of a host: its `keys`, `authorities` and `revoked`, one line each.

    Raises OSError or ValueError for a file that cannot be read.
    """
    found = asyncssh.match_known_hosts(
        asyncssh.import_known_hosts(path.read_text()), host, address, None if port == 22 else port  # noqa: PLR2004 - as OpenSSH writes it
    )
    names = ("keys", "authorities", "revoked")
    return {
        name: [one.export_public_key("openssh").decode("ascii").strip() for one in keys]
        for name, keys in zip(names, found[:3], strict=True)
    }


def _known_file_fault(path: Path, host: str, port: int) -> str:
    try:
        found = keys_known_of(path, host, "", port)
    except (OSError, ValueError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", "") or "not a known_hosts file"
        return f"cannot be read ({why})"
    return "" if found["keys"] or found["authorities"] else f"knows no key of {host}"


def _try_key(
    key: str, certificate: str | None, file: str, place: str, secrets: SecretReader
) -> None:
    """Raises SettingsError unless the key can be used, its certificate with it."""
    exposed = exposed_key(key)
    if exposed:
        raise SettingsError(
            f"{exposed} can be read by others than its owner",
            file=file,
            key=f"{place}.key",
            fix=f"chmod 600 {exposed}",
        )
    try:
        private = asyncssh.import_private_key(secrets.read(key, file=file, key=f"{place}.key"))
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
        raise SettingsError(
            "holds no private key that can be read",
            file=file,
            key=f"{place}.key",
            fix="give the text of the key's file, without a pass phrase",
        ) from None
    if certificate is None:
        return
    held = secrets.read(certificate, file=file, key=f"{place}.certificate")
    try:
        belongs = asyncssh.import_certificate(held).key.public_data == private.public_data
    except asyncssh.KeyImportError:
        belongs = False
    if not belongs:
        raise SettingsError(
            "holds no OpenSSH certificate of the key",
            file=file,
            key=f"{place}.certificate",
            fix="give the text of the -cert.pub file that ssh-keygen -s made",
        )


def _bare(line: str) -> str:
    """`type base64`, without the comment."""
    return " ".join(line.split()[:2])
