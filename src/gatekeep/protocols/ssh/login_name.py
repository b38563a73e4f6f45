"""The name that an SSH client signs in with: who, as which account, on which target.

Text only: whether any of them exists is the directory's to know, and is not told here.
"""

from __future__ import annotations

import re
import stringprep
import unicodedata
from dataclasses import dataclass
from typing import Final

MAX_LOGIN_NAME: Final = 63 * 3 + 2
"""The longest name that can be one: three words and what separates them."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_ACCOUNT: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True)
class LoginName:
    """`principal`, `principal+target` or `principal+account@target`.

    Without a target the connection is a jump host only; an empty account is to be chosen.
    """

    principal: str
    account: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class InnerLogin:
    """The name on a connection through the jump host: an account and nothing else."""

    account: str


def mapped(name: str) -> str:
    """A name as everything else sees it: NFKC, and without what is mapped to nothing (RFC 4013).

    Lock-outs count by this form, so that no spelling of a name is a fresh start.
    """
    kept = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in name
        if stringprep.in_table_c12(character) or not stringprep.in_table_b1(character)
    )
    return unicodedata.normalize("NFKC", kept)


def parse_login_name(name: str) -> LoginName | None:
    """What a client's name asks for; None for any other text."""
    if len(name) > MAX_LOGIN_NAME:
        return None
    principal, separator, rest = mapped(name).partition("+")
    if not _NAME.fullmatch(principal):
        return None
    if not separator:
        return LoginName(principal)
    account, at, target = rest.partition("@")
    if not at:
        account, target = "", rest
    elif not _ACCOUNT.fullmatch(account):
        return None
    return LoginName(principal, account, target) if _NAME.fullmatch(target) else None


def parse_inner_login(name: str) -> InnerLogin | None:
    """The account that a client names behind the jump host; None for any other text."""
    account = mapped(name) if len(name) <= MAX_LOGIN_NAME else ""
    return InnerLogin(account) if _ACCOUNT.fullmatch(account) else None
