"""Start-up settings: which are harmless, how `options` is split, which encodings are UTF8.

Follows what a PostgreSQL target does with the same words. Judges nothing.
"""

from __future__ import annotations

import re

HARMLESS = {
    "application_name": "application_name",
    "client_encoding": "client_encoding",
    "datestyle": "DateStyle",
    "timezone": "TimeZone",
    "intervalstyle": "IntervalStyle",
    "extra_float_digits": "extra_float_digits",
    "geqo": "geqo",
}
"""Lower-case name → the name as sent: settings that need no decision (12-threats H3)."""

_SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)?\Z")
_SPACE = " \t\n\r\v\f"
_NOT_WORD = re.compile(r"[^a-z0-9]")


class OptionsRefused(ValueError):  # noqa: N818 - a refusal, not a mistake of ours
    """A part of `options` that is not offered; the text says which, in words."""


def setting_name(written: str) -> str | None:
    """The lower-case name of a setting, or None if no setting can be called so.

    The target compares names without regard to case, so one form stands for all spellings.
    """
    return written.lower() if _SETTING_NAME.match(written) else None


def split_words(options: str) -> list[str]:
    r"""The words of `options`, split as the target does: at blanks, `\` keeps the next character.

    A backslash at the very end stands for nothing.
    """
    words: list[str] = []
    word: list[str] = []
    started = escaped = False
    for character in options:
        if escaped:
            word.append(character)
            escaped = False
        elif character == "\\":
            started = escaped = True
        elif character in _SPACE:
            if started:
                words.append("".join(word))
                word.clear()
            started = False
        else:
            word.append(character)
            started = True
    if started:
        words.append("".join(word))
    return words


def settings_of(options: str) -> list[tuple[str, str]]:
    """The settings in `options`, in order: `-c name=value`, `-cname=value`, `--name=value`.

    Dashes in a name stand for underscores, as on the target. Raises OptionsRefused for any
    other switch or word.
    """
    settings: list[tuple[str, str]] = []
    words = iter(split_words(options))
    for word in words:
        if word == "-c":
            assignment = next(words, "")
        elif word.startswith(("--", "-c")):
            assignment = word[2:]
        else:
            raise OptionsRefused(f"holds {word[:40]!r}, which is not -c name=value")
        name, equals, value = assignment.partition("=")
        known = setting_name(name.replace("-", "_"))
        if not equals or known is None:
            raise OptionsRefused(f"holds {assignment[:40]!r}, which is not name=value")
        settings.append((known, value))
    return settings


def encoding_family(written: str) -> str:
    """What an encoding's name means: `utf8`, `sql_ascii`, or empty for every other.

    The target drops all but letters and digits and ignores case: `'utf-8'` is UTF8.
    """
    plain = _NOT_WORD.sub("", written.lower())
    if plain in {"utf8", "unicode"}:
        return "utf8"
    return "sql_ascii" if plain == "sqlascii" else ""
