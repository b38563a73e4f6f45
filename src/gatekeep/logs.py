"""Diagnostics: structlog set up once, bound to session, principal and target. Never evidence.

Secrets are blotted out and control characters escaped here, last of all, so that no caller has
to remember it.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, Final, TextIO

import structlog
from structlog.contextvars import bound_contextvars

from gatekeep.messages import printable

REDACTED: Final = "[redacted]"

MAX_TEXT: Final = 4_000
"""Characters of one value; a traceback is cut line by line."""

_MAX_DEPTH: Final = 6
_MAX_LINES: Final = 200

_SECRET_KEY: Final = re.compile(
    r"pass(word|wd|phrase)?$|token$|secret$|(private|stored|server|client|signing|session)_?key$"
    r"|^kek$|proof$|authorization$|cookie$|credential|verifier|^dsn$",
    re.IGNORECASE,
)

#: Kept in step with identity.tokens by a test; this room may not import that one.
_TOKEN: Final = re.compile(r"gk_[0-9A-Za-z]{8,}")
_URL_PASSWORD: Final = re.compile(r"(?<=://)([^\s/:@]*):([^\s/@]+)@")
_ASSIGNED: Final = re.compile(
    r"(?i)\b(password|passwd|secret)(\s*[=:]\s*)('[^']*'|\"[^\"]*\"|[^\s,;)]+)"
)

Event = MutableMapping[str, Any]


def configure_logs(level: str = "info", form: str = "json", stream: TextIO | None = None) -> None:
    """Send diagnostics to `stream` (standard error unless given).

    `level` is debug, info, warning or error; `form` is `json`, one object a line, or `console`.
    What libraries log through the standard library comes out the same way.
    """
    target = stream if stream is not None else sys.stderr
    threshold = logging.getLevelNamesMapping()[level.upper()]
    before: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer(sort_keys=True)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[*before, clean, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(target),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*before, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                clean,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(threshold, logging.WARNING))


@contextmanager
def about(**context: str) -> Iterator[None]:
    """Bind `session`, `principal`, `target` and the like to every line of this task."""
    with bound_contextvars(**context):
        yield


def clean(_logger: Any, _method: str, event: Event) -> Event:
    """The last processor before rendering: no secrets, nothing that a terminal would obey."""
    return {_text(str(key)): _cleaned(str(key), value, 0) for key, value in event.items()}


def redacted(text: str) -> str:
    """Text with tokens, passwords in addresses and `password=…` blotted out."""
    text = _TOKEN.sub(REDACTED, text)
    text = _URL_PASSWORD.sub(rf"\1:{REDACTED}@", text)
    return _ASSIGNED.sub(rf"\1\2{REDACTED}", text)


def _cleaned(key: str, value: Any, depth: int) -> Any:
    if _SECRET_KEY.search(key) and value not in (None, "", True, False):
        return REDACTED
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value)} bytes"
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _cleaned_inside(value, depth + 1) if depth < _MAX_DEPTH else "…"
    if key == "exception":
        lines = str(value).splitlines()
        return "\n".join(_text(line) for line in lines[-_MAX_LINES:])
    return _text(value if isinstance(value, str) else repr(value))


def _cleaned_inside(
    value: Mapping[Any, Any] | list[Any] | tuple[Any, ...] | set[Any] | frozenset[Any], depth: int
) -> Any:
    if isinstance(value, Mapping):
        return {_text(str(name)): _cleaned(str(name), one, depth) for name, one in value.items()}
    return [_cleaned("", one, depth) for one in value]


def _text(value: str) -> str:
    return printable(redacted(value), MAX_TEXT)
