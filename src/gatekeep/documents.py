"""Reads YAML documents and checks them against pydantic models.

Every fault becomes a SettingsError that names file, key and a fix; nobody ever sees a traceback
of the parser. What a document means is known by the room that asked for it, not here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar, get_args
from urllib.parse import urlsplit

import yaml
from pydantic import AfterValidator, BaseModel, StringConstraints, ValidationError

from gatekeep.errors import SettingsError
from gatekeep.messages import printable

MAX_DOCUMENT_BYTES: Final = 4 * 1024 * 1024

#: Keys whose values are or may be secrets: never repeated in an error.
_SECRET_KEYS: Final = frozenset({"accounts", "tokens", "keys", "totp", "secret", "password"})

_BOOL: Final = "tag:yaml.org,2002:bool"
_INT: Final = "tag:yaml.org,2002:int"
_FLOAT: Final = "tag:yaml.org,2002:float"
_OWN_RULES: Final = frozenset({_BOOL, _INT, _FLOAT, "tag:yaml.org,2002:timestamp"})

_SHOWN_VALUE: Final = 60

_TYPE_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "bool_type": ("must be true or false", "write true or false"),
    "dict_type": ("must be a block of keys", "put the keys below it, indented"),
    "float_type": ("must be a number", "write a number without quotes or unit"),
    "invalid_key": ("is not a known key", "keys are words"),
    "int_type": ("must be a whole number", "write a whole number without quotes or unit"),
    "list_type": ("must be a list", "write [one, two] or one '- item' per line"),
    "model_type": ("must be a block of keys", "put the keys below it, indented"),
    "path_type": ("must be a path", "write a path"),
    "tuple_type": ("must be a list", "write [one, two] or one '- item' per line"),
    "frozen_set_type": ("must be a list", "write [one, two] or one '- item' per line"),
    "string_type": ("must be text", "put the value in quotes"),
}

Model = TypeVar("Model", bound=BaseModel)


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key written twice, where YAML would silently take the last.

    Plain words are read as in YAML 1.2: `off` is a word and `12:30` no number of seconds; dates
    and numbers with leading zeros stay text.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own name and shape
        first: [entry for entry in entries if entry[0] not in _OWN_RULES]
        for first, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f'key "{key}" is written twice', key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    (_BOOL, r"^(?:true|True|false|False)$", "tTfF"),
    (_INT, r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789"),
    (
        _FLOAT,
        r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+)$",
        "-+.0123456789",
    ),
):
    _StrictLoader.add_implicit_resolver(_tag, re.compile(_pattern), list(_first))


def _usable(path: Path) -> Path:
    """Paths that no file can have are a fault of the document, not a surprise later."""
    if "\0" in str(path):
        raise ValueError("holds a zero byte | write a plain path")
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError("names a home directory that nobody has | write the whole path") from None


FilePath = Annotated[Path, AfterValidator(_usable)]
"""A path in a document; `~` is the home directory."""


def _reference(text: str) -> str:
    """A secret reference. Raises ValueError, which does not repeat what may be the secret itself."""
    if not re.fullmatch(r"(env|file):\S.{0,4000}", text):
        raise ValueError("is no secret reference | write env:NAME or file:/absolute/path")
    return text


SecretReference = Annotated[str, StringConstraints(strict=True), AfterValidator(_reference)]
"""Where a secret stands: `env:NAME` or `file:/path`."""


def is_here(name: str) -> bool:
    """Whether a name or address is this machine, whatever the network says."""
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name.rstrip(".").lower() == "localhost"


def _hook_url(text: str) -> str:
    """An address that may be called. Raises ValueError."""
    try:
        parts = urlsplit(text)
        name, _port = parts.hostname or "", parts.port
    except ValueError:
        parts, name = urlsplit(""), ""
    fits = parts.scheme in {"http", "https"} and name and not parts.fragment
    if not fits or "@" in parts.netloc or not text.isascii() or not text.isprintable():
        raise ValueError("is no address | write one such as https://hooks.example/gatekeep")
    if parts.scheme == "http" and not is_here(name):
        raise ValueError("is in clear | write https://; http:// is for this machine alone")
    return text


HookUrl = Annotated[str, StringConstraints(strict=True, max_length=2000), AfterValidator(_hook_url)]
"""An address that we call: https, or http on this machine."""

MailAddress = Annotated[
    str,
    StringConstraints(
        strict=True,
        max_length=254,
        pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9][A-Za-z0-9.-]{0,252}$",
    ),
]
"""Where somebody is written to: no quotes, blanks or line ends that a header could be made of."""


def read_document(file: Path) -> Any:
    """The value of one YAML file; None when it is empty.

    Raises SettingsError when it cannot be read, is too large, or is not YAML.
    """
    return parse_document(read_text(file), str(file))


def read_text(file: Path) -> str:
    """The text of a file. Raises SettingsError when it cannot be read as UTF-8."""
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise SettingsError(
            f"cannot be read ({error.strerror or 'unknown reason'})",
            file=str(file),
            fix="create the file, or correct the path or its permissions",
        ) from error
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise SettingsError(
            f"is larger than {MAX_DOCUMENT_BYTES >> 20} MiB",
            file=str(file),
            fix="is this the right file?",
        )
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"is not UTF-8 (byte {error.start})", file=str(file), fix="save the file as UTF-8"
        ) from error


def parse_document(text: str, file: str) -> Any:
    """The value of one YAML text. Raises SettingsError with the line of the first fault."""
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader underneath
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f"line {mark.line + 1}" if mark is not None else ""
        problem = printable(error.problem or "cannot be parsed")
        raise SettingsError(
            f"is not valid YAML: {problem}",
            file=file,
            key=line,
            fix="correct the line; indent with spaces and quote text that holds ': ' or '#'",
        ) from None
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError):
        # The loader stumbles in these ways over odd tags, keys and depths. Its own text may
        # repeat the document, so it is left out.
        raise SettingsError(
            "is not valid YAML", file=file, fix="keep to plain text, numbers, lists and keys"
        ) from None


def nearest(word: str, known: Iterable[str]) -> str:
    """Advice for a word that is not among `known`: the nearest one, or all of them."""
    choices = sorted(known)
    near = difflib.get_close_matches(word, choices, 1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"use one of: {', '.join(choices)}"


def validated(model: type[Model], value: object, file: str, *, prefix: str = "") -> Model:
    """`value` as `model`. `prefix` stands before each key in errors, such as `targets[2].`.

    Raises one SettingsError; what else is wrong hangs at its `also`.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise first_with_rest(problems_of(error, model, file, prefix=prefix)) from None


def first_with_rest(problems: Sequence[SettingsError]) -> SettingsError:
    """One error to raise, with the others at its `also`. `problems` must not be empty."""
    found = {id(one): one for problem in problems for one in everything(problem)}
    head, *rest = found.values()
    for one in rest:
        one.also = ()
    head.also = tuple(rest)
    return head


def everything(error: SettingsError) -> tuple[SettingsError, ...]:
    """The error and all that hang at it, in order."""
    return (error, *error.also)


def problems_of(
    error: ValidationError,
    model: type[BaseModel],
    file: str,
    *,
    prefix: str = "",
    origins: Mapping[str, tuple[str, str]] | None = None,
) -> list[SettingsError]:
    """What pydantic found, in our words.

    `origins` tells for keys that did not come from `file` where they came from: (file, key).
    """
    found: list[SettingsError] = []
    for detail in error.errors(include_url=False):
        location = tuple(detail["loc"])
        key = dotted(location)
        what, fix = _words(dict(detail), location, model)
        place, shown = (origins or {}).get(key, (file, (prefix + key).rstrip(".")))
        found.append(SettingsError(what, file=place, key=printable(shown), fix=fix))
    return found


def dotted(location: Sequence[int | str]) -> str:
    """`("accounts", 2, "name")` as `accounts[2].name`."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part != "[key]":
            text += f".{part}" if text else part
    return text


def _words(
    detail: dict[str, Any], location: tuple[int | str, ...], model: type[BaseModel]
) -> tuple[str, str]:
    """What is wrong and what to do about it, for one finding of pydantic."""
    kind = str(detail["type"])
    context = detail.get("ctx", {})
    if kind == "extra_forbidden":
        known = _keys_of(model, location[:-1])
        return "is not a known key", nearest(str(location[-1]), known)
    if kind == "missing":
        return "is missing", f"add {location[-1]}:"
    if kind in _TYPE_WORDS:
        what, fix = _TYPE_WORDS[kind]
        return what + _got(detail, location), fix
    if kind in ("literal_error", "enum"):
        expected = [
            word.strip("'") for word in str(context["expected"]).replace(" or ", ", ").split(", ")
        ]
        return (
            f"must be one of {', '.join(expected)}" + _got(detail, location),
            nearest(str(detail.get("input")), expected)
            if not _secret(location)
            else f"use one of: {', '.join(expected)}",
        )
    if kind == "value_error":
        what, _, fix = str(context["error"]).partition(" | ")
        return what, fix or "see docs/settings.md"
    words = str(detail["msg"]).removeprefix("Input should ").removeprefix("Value should ")
    return "must " + words + _got(detail, location), "see docs/settings.md"


def _got(detail: Mapping[str, Any], location: tuple[int | str, ...]) -> str:
    """The value that was met, if it may be shown."""
    value = detail.get("input")
    if _secret(location) or isinstance(value, Mapping | list):
        return ""
    if value is None:
        return ", got nothing"
    return f", got {printable(str(value), _SHOWN_VALUE)!r}"


def _secret(location: tuple[int | str, ...]) -> bool:
    return any(part in _SECRET_KEYS for part in location)


def _keys_of(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """The keys that are known where `location` points."""
    here: Any = model
    for part in location:
        if isinstance(part, str) and _is_model(here) and part in here.model_fields:
            here = here.model_fields[part].annotation
        for inner in get_args(here):
            if _is_model(inner):
                here = inner
    return list(here.model_fields) if _is_model(here) else []


def _is_model(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)
