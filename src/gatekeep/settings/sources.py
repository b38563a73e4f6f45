"""Reads the settings: the file, then the environment over it; words what is wrong in them.

Relative paths get their anchor here, contradictions between settings are found here.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from gatekeep.documents import first_with_rest, nearest, problems_of, read_document
from gatekeep.errors import SettingsError
from gatekeep.settings import notices
from gatekeep.settings.model import NESTED, PREFIX, Settings, default_config_dir, leaves, variable

#: How like a known variable an unknown one must be to be called a slip. Strangers that only share
#: the prefix are left alone: container platforms make GATEKEEP_SERVICE_HOST and its like.
_SLIP: Final = 0.85

_GROUPS: Final = frozenset(place[0] for place, _ in leaves() if len(place) > 1)
_PATHS: Final = tuple(place for place, field in leaves() if "Path" in str(field.annotation))


def load_settings(file: Path | None, environment: Mapping[str, str]) -> Settings:
    """Settings from `file` with the environment over them.

    Without `file`: the one that GATEKEEP_CONFIG names, else `config/gatekeep.yaml` of a checkout
    or `/etc/gatekeep/gatekeep.yaml` if it is there, else the defaults. Relative paths in a file
    start at its directory, those in the environment at the working directory.
    Raises SettingsError; further faults hang at its `also`.
    """
    chosen = _choose(file, environment)
    document = _document(chosen) if chosen else {}
    folder = chosen.resolve().parent if chosen else default_config_dir()
    _anchor_paths(document, folder)
    beside: dict[str, Any] = {
        "targets": folder / "targets.yaml",
        "principals": folder / "principals.yaml",
        "policy": {"dir": folder / "policy"},
    }
    from_environment, origins = _from_environment(environment)

    class Loaded(Settings):
        """Settings with these three sources, the first winning."""

        given = (from_environment, document, beside)

    name = str(chosen) if chosen else "settings"
    try:
        settings: Settings = Loaded()
    except ValidationError as error:
        raise first_with_rest(problems_of(error, Settings, name, origins=origins)) from None
    problems = list(_contradictions(settings, name, origins))
    if problems:
        raise first_with_rest(problems)
    return settings


def _choose(file: Path | None, environment: Mapping[str, str]) -> Path | None:
    if file is not None:
        return file
    named = environment.get(PREFIX + "CONFIG")
    if named:
        return Path(named)
    usual = default_config_dir() / "gatekeep.yaml"
    return usual if usual.is_file() else None


def _document(file: Path) -> dict[str, Any]:
    """The settings file as a mapping; an empty file has no settings."""
    document = read_document(file)
    if document is None:
        return {}
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise SettingsError(
            "must hold keys and values",
            file=str(file),
            fix="start with a line such as 'drain_s: 30'",
        )
    # A group whose lines are all commented out is an empty group.
    return {
        key: {} if value is None and key in _GROUPS else value for key, value in document.items()
    }


def _anchor_paths(document: dict[str, Any], folder: Path) -> None:
    """Make the relative paths of a document start at `folder`."""
    for place in _PATHS:
        here: Any = document
        for part in place[:-1]:
            here = here.get(part) if isinstance(here, dict) else None
        if isinstance(here, dict) and isinstance(here.get(place[-1]), str):
            here[place[-1]] = str(_from(folder, here[place[-1]]))


def _from(folder: Path, text: str) -> Path:
    """A path as written, starting at `folder` unless it is absolute or at a home directory."""
    return Path(text) if text.startswith("~") else folder / text


def _from_environment(
    environment: Mapping[str, str],
) -> tuple[dict[str, Any], dict[str, tuple[str, str]]]:
    """The values that variables give, nested, and where each came from."""
    known = {variable(place): (place, field) for place, field in leaves()}
    values: dict[str, Any] = {}
    origins: dict[str, tuple[str, str]] = {}
    for name, text in environment.items():
        if not name.startswith(PREFIX):
            continue
        if name not in known:
            _refuse_slip(name, known)
            continue
        place, field = known[name]
        here = values
        for part in place[:-1]:
            here = here.setdefault(part, {})
        here[place[-1]] = _value_of(text, field)
        origins[".".join(place)] = ("environment", name)
    return values, origins


def _refuse_slip(name: str, known: Mapping[str, object]) -> None:
    in_group = name.removeprefix(PREFIX).partition(NESTED)[0].lower() in _GROUPS and NESTED in name
    if in_group or difflib.get_close_matches(name, known, 1, cutoff=_SLIP):
        raise SettingsError(
            "is not a known variable", file="environment", key=name, fix=nearest(name, known)
        )


def _value_of(text: str, field: FieldInfo) -> Any:
    """A variable's text as YAML would have given it; what does not fit stays text and is refused."""
    wanted = str(field.annotation)
    if "tuple" in wanted:
        return _list_of(text)
    if "bool" in wanted:
        return {"true": True, "1": True, "false": False, "0": False}.get(text.strip().lower(), text)
    if "Path" in wanted:
        return str(_from(Path.cwd(), text)) if text else None
    for kind in (int, float):
        if kind.__name__ in wanted:
            try:
                return kind(text)
            except ValueError:
                return text
    return text


def _list_of(text: str) -> Any:
    """A list as JSON or separated by commas."""
    if text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return [part.strip() for part in text.split(",") if part.strip()]


def _contradictions(
    settings: Settings, file: str, origins: Mapping[str, tuple[str, str]]
) -> Iterator[SettingsError]:
    """What is right alone and wrong together."""

    def wrong(key: str, what: str, fix: str) -> SettingsError:
        place, shown = origins.get(key, (file, key))
        return SettingsError(what, file=place, key=shown, fix=fix)

    door = settings.postgres
    if (door.certificate is None) != (door.key is None):
        missing = "postgres.key" if door.certificate else "postgres.certificate"
        yield wrong(missing, "is missing", "give certificate and key together")
    elif door.tls_mode == "require" and door.certificate is None:
        yield wrong(
            "postgres.tls",
            "is require, but there is no certificate",
            "set postgres.certificate and postgres.key",
        )
    elif door.certificate is None and not is_loopback(door.host):
        yield wrong(
            "postgres.tls",
            f"has no certificate, and {door.host} can be reached from elsewhere",
            "set postgres.certificate and postgres.key, or postgres.host to 127.0.0.1",
        )
    if door.tls_mode == "off" and door.certificate is not None and not is_loopback(door.host):
        yield wrong(
            "postgres.tls",
            f"is off, and {door.host} can be reached from elsewhere",
            "set it to require, or postgres.host to 127.0.0.1",
        )
    for key, what, fix in notices.contradictions(settings.mail, settings.webhooks):
        yield wrong(key, what, fix)
    for key, what, fix in settings.slack.missing():
        yield wrong(key, what, fix)
    state, keys = settings.state_dir.resolve(), settings.keys_dir.resolve()
    if keys.is_relative_to(state) or state.is_relative_to(keys):
        yield wrong(
            "keys_dir",
            "shares a directory with state_dir, so one backup would hold data and keys",
            "put the keys into a directory of their own",
        )


def is_loopback(host: str) -> bool:
    """Whether a listening address is reached from this machine only."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
