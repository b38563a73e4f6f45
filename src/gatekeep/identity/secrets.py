"""Secret references, `env:NAME` and `file:/path`: read late, never kept, never shown.

No error and no log line here ever holds a value.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import structlog

from gatekeep.errors import SettingsError

_log = structlog.get_logger(__name__)

MAX_SECRET_BYTES: Final = 64 * 1024

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"

_FORMS: Final = "write env:NAME or file:/absolute/path"


class SecretReader:
    """Reads what secret references point at. `environment` is looked at anew each time.

    Without `warn`, files that everybody may read go without a line in diagnostics.
    """

    def __init__(self, environment: Mapping[str, str], *, warn: bool = True) -> None:
        self._environment = environment
        self._warn = warn
        self._warned: set[str] = set()

    def read(self, reference: str, *, file: str = "", key: str = "") -> str:
        """The value, without one newline at its end.

        `file` and `key` say in errors where the reference stands. Raises SettingsError.
        """
        scheme, separator, place = reference.partition(":")
        if not separator or scheme not in ("env", "file"):
            # What stands there may be the secret itself, so it is not repeated.
            raise SettingsError("is not a secret reference", file=file, key=key, fix=_FORMS)
        value = (
            self._from_environment(place, file, key)
            if scheme == "env"
            else self._from_file(place, file, key)
        )
        if not value:
            raise SettingsError(
                f"{reference} is empty", file=file, key=key, fix="put a value there"
            )
        if "\0" in value:
            raise SettingsError(
                f"{reference} holds a zero byte", file=file, key=key, fix="store it as text"
            )
        return value

    def _from_environment(self, name: str, file: str, key: str) -> str:
        if not _NAME.fullmatch(name):
            raise SettingsError("names no variable", file=file, key=key, fix=_FORMS)
        value = self._environment.get(name)
        if value is None:
            raise SettingsError(
                f"the variable {name} is not set",
                file=file,
                key=key,
                fix=f"set {name} in the gateway's environment",
            )
        return _without_newline(value)

    def _from_file(self, place: str, file: str, key: str) -> str:
        path = Path(place)
        if not path.is_absolute() or "\0" in place:
            raise SettingsError("needs an absolute path", file=file, key=key, fix=_FORMS)
        try:
            with path.open("rb") as stream:
                mode = path.stat().st_mode
                raw = stream.read(MAX_SECRET_BYTES + 1)
        except OSError as error:
            raise SettingsError(
                f"{place} cannot be read ({error.strerror or 'unknown reason'})",
                file=file,
                key=key,
                fix="create the file, readable by the gateway alone (mode 0600)",
            ) from None
        if len(raw) > MAX_SECRET_BYTES:
            raise SettingsError(
                f"{place} is too large for a secret",
                file=file,
                key=key,
                fix="is it the right file?",
            )
        public = raw.startswith(_CERTIFICATE)
        if self._warn and mode & stat.S_IROTH and not public and place not in self._warned:
            self._warned.add(place)
            _log.warning("secret file can be read by everybody", path=place, advice="chmod 600")
        try:
            return _without_newline(raw.decode())
        except UnicodeDecodeError:
            raise SettingsError(
                f"{place} is not UTF-8 text", file=file, key=key, fix="store it as text"
            ) from None


def exposed_files(references: Mapping[str, str]) -> list[tuple[str, str]]:
    """(key, path) of each `file:` reference whose file everybody on the machine may read."""
    found: list[tuple[str, str]] = []
    for key, reference in references.items():
        scheme, _, place = reference.partition(":")
        try:
            if scheme == "file" and Path(place).stat().st_mode & stat.S_IROTH:
                found.append((key, place))
        except OSError:
            continue
    return found


def _without_newline(value: str) -> str:
    """Text without the one newline that editors add."""
    return value.removesuffix("\n").removesuffix("\r")
