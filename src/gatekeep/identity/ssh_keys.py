"""The gateway's own SSH keys: its host key, and the CA that vouches for it behind the jump host.

Made at the first start. Certificates live in memory only; no private key leaves this process.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncssh

from gatekeep.domain.targets import ALIAS_PREFIX, alias_of
from gatekeep.errors import SettingsError
from gatekeep.runtime.clock import Clock, random_bytes

HOST_KEY_NAME: Final = "ssh_host_ed25519_key"
HOST_CA_NAME: Final = "ssh_host_ca"

VALID_S: Final = 24 * 3600
_EARLY_S: Final = 300
_US: Final = 1_000_000
_SECRET_MODE: Final = 0o600
_PUBLIC_MODE: Final = 0o644
_FIX: Final = "restore the key directory from its backup; a new key is a stranger to every client"


@dataclass(frozen=True, slots=True)
class GatewaySshKeys:
    """The host key and the host CA."""

    host: asyncssh.SSHKey
    authority: asyncssh.SSHKey

    @property
    def fingerprint(self) -> str:
        """`SHA256:…` of the host key."""
        return self.host.get_fingerprint()

    @property
    def authority_line(self) -> str:
        """The line of known_hosts by which clients know every target behind the jump host."""
        return authority_line(self.authority.export_public_key().decode("ascii"))


def authority_line(public: str) -> str:
    """`@cert-authority gatekeep.* ssh-ed25519 …` for the public half of the CA."""
    kind, encoded = public.split()[:2]
    return f"@cert-authority {ALIAS_PREFIX}* {kind} {encoded}"


def ensure_ssh_keys(keys_dir: Path) -> GatewaySshKeys:
    """Load both keys; make, durably, those that were never there.

    Raises SettingsError for one that cannot be read, is none, or may be read by others.
    """
    return GatewaySshKeys(_ensured(keys_dir, HOST_KEY_NAME), _ensured(keys_dir, HOST_CA_NAME))


def read_authority(keys_dir: Path) -> str:
    """The public half of the host CA, one line. Raises SettingsError where there is none yet."""
    path = keys_dir / f"{HOST_CA_NAME}.pub"
    try:
        return path.read_text("ascii").strip()
    except (OSError, ValueError) as error:
        raise SettingsError(
            "the host CA's public key cannot be read",
            file=str(path),
            fix="it is made when the gateway starts for the first time: gatekeep serve",
        ) from error


class AliasCertificates:
    """Certificates of the host key, one for each target's alias, made anew before they end."""

    def __init__(
        self,
        keys: GatewaySshKeys,
        clock: Clock,
        *,
        random: Callable[[int], bytes] = random_bytes,
        kept: int = 10_000,
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._random = random
        self._kept = kept
        self._minted: dict[str, tuple[int, asyncssh.SSHCertificate]] = {}

    def shown_for(self, target: str) -> tuple[asyncssh.SSHKey, asyncssh.SSHCertificate]:
        """What the inner connection of the jump host to this target shows (`server_host_keys`)."""
        now = self._clock.wall_us() // _US
        made = self._minted.get(target)
        if made is None or not made[0] <= now < made[0] + VALID_S // 2:
            if len(self._minted) >= self._kept:
                self._minted.clear()
            made = self._minted[target] = (now, self._mint(target, now))
        return self._keys.host, made[1]

    def _mint(self, target: str, now: int) -> asyncssh.SSHCertificate:
        return self._keys.authority.generate_host_certificate(
            self._keys.host,
            f"gatekeep host certificate of {target}",
            serial=int.from_bytes(self._random(8), "big") >> 1,
            principals=[alias_of(target)],
            valid_after=now - _EARLY_S,
            valid_before=now + VALID_S,
        )


def _ensured(keys_dir: Path, name: str) -> asyncssh.SSHKey:
    private, public = keys_dir / name, keys_dir / f"{name}.pub"
    if not private.exists() and not public.exists():
        keys_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = asyncssh.generate_private_key("ssh-ed25519", comment=f"gatekeep {name}")
        _write(private, made.export_private_key("openssh"), _SECRET_MODE)
    key = _loaded(private)
    line = key.export_public_key("openssh")
    if not public.exists():
        _write(public, line, _PUBLIC_MODE)
    elif public.read_bytes().split()[:2] != line.split()[:2]:
        raise SettingsError("is not the public half of its key", file=str(public), fix=_FIX)
    return key


def _loaded(path: Path) -> asyncssh.SSHKey:
    try:
        mode = path.stat().st_mode
        held = path.read_bytes()
    except OSError as error:
        raise SettingsError("the key cannot be read", file=str(path), fix=_FIX) from error
    if stat.S_IMODE(mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsError(
            "can be read by others than its owner", file=str(path), fix=f"chmod 600 {path}"
        )
    try:
        return asyncssh.import_private_key(held)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise SettingsError("is no private key", file=str(path), fix=_FIX) from error


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole and durable, or not there: a key that was half written would be lost for ever."""
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    beside.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
