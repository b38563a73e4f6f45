"""Principals and what proves them: the embedded directory. Implements gate.ports.Directory.

Knows no sockets and no files; who reads principals.yaml is `principals`.
"""

from __future__ import annotations

import pwd
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from gatekeep.documents import everything, first_with_rest
from gatekeep.domain.identity import Principal
from gatekeep.errors import SettingsError
from gatekeep.gate.ports import ScramSecrets
from gatekeep.identity.principals import OWNER, OWNERS, PrincipalEntry
from gatekeep.identity.secrets import SecretReader
from gatekeep.identity.tokens import ITERATIONS, LIVE_TOKENS, TokenDesk, finder, verifier

MIN_REFERENCED_TOKEN: Final = 24
"""Shortest token that a file may bring: it must stand against guessing, not against memory."""

OsAccountName = Callable[[int], str | None]


def os_user_name(uid: int) -> str | None:
    """The local account of a uid; None when nobody has it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return None


class EmbeddedDirectory:
    """Principals of principals.yaml and the tokens of the desk.

    `owner_uid` is the uid that owns the state directory. `reload` swaps all principals at once,
    or raises and changes nothing.
    """

    def __init__(
        self,
        entries: Iterable[PrincipalEntry],
        tokens: TokenDesk,
        secrets: SecretReader,
        *,
        owner_uid: int,
        os_account_of: OsAccountName = os_user_name,
    ) -> None:
        self._tokens = tokens
        self._secrets = secrets
        self._owner_uid = owner_uid
        self._os_account_of = os_account_of
        self._principals: Mapping[str, Principal] = {}
        self._by_os_user: Mapping[str, Principal] = {}
        self.reload(entries)

    def reload(self, entries: Iterable[PrincipalEntry]) -> None:
        """Replace all principals. Raises SettingsError for a token reference that is no use."""
        kept = sorted(entries, key=lambda entry: entry.principal.name)
        secrets = read_tokens(kept, self._secrets)
        referenced = {
            name: tuple(
                verifier(f"file:{name}:{number}", secret, self._tokens.salt(name))
                for number, secret in enumerate(found)
            )
            for name, found in secrets.items()
        }
        finders = {name: tuple(map(finder, found)) for name, found in secrets.items()}
        self._principals = {entry.principal.name: entry.principal for entry in kept}
        self._by_os_user = {
            entry.principal.os_user: entry.principal for entry in kept if entry.principal.os_user
        }
        self._tokens.replace_principals(referenced, finders)

    def check(self, entries: Iterable[PrincipalEntry]) -> None:
        """Whether `reload` would take these. Raises SettingsError as it would; changes nothing."""
        read_tokens(tuple(entries), self._secrets)

    def principal(self, name: str) -> Principal | None:
        """The principal of that name, if there is one."""
        return self._principals.get(name)

    def principals(self) -> Sequence[Principal]:
        """All of them, by name."""
        return tuple(self._principals.values())

    def principal_of_uid(self, uid: int) -> Principal | None:
        """The principal with that local account; else, for who owns the state directory, `owner`."""
        name = self._os_account_of(uid)
        mapped = self._by_os_user.get(name) if name else None
        if mapped is not None:
            return mapped
        if uid == self._owner_uid:
            return Principal(
                name=OWNER, person=name or OWNER, groups=frozenset({OWNERS}), os_user=name or ""
            )
        return None

    def scram_secrets(self, name: str) -> ScramSecrets:
        """What to check a proof against. Unknown names differ in nothing but the empty verifiers."""
        return ScramSecrets(self._tokens.salt(name), ITERATIONS, self._tokens.verifiers(name))


def read_tokens(
    entries: Iterable[PrincipalEntry], secrets: SecretReader
) -> dict[str, tuple[str, ...]]:
    """The secrets of the tokens that each principal's entry refers to.

    Raises SettingsError for the first that cannot be read or is none; the others hang at `also`.
    """
    found: dict[str, tuple[str, ...]] = {}
    problems: list[SettingsError] = []
    for entry in entries:
        kept: list[str] = []
        for number, reference in enumerate(entry.tokens):
            try:
                kept.append(_token(entry, reference, f"{entry.key}.tokens[{number}]", secrets))
            except SettingsError as error:
                problems.extend(everything(error))
        if len(kept) > LIVE_TOKENS:
            problems.append(
                SettingsError(
                    f"has more than {LIVE_TOKENS} tokens",
                    file=entry.file,
                    key=f"{entry.key}.tokens",
                    fix="take some away",
                )
            )
        found[entry.principal.name] = tuple(kept)
    if problems:
        raise first_with_rest(problems)
    return found


def _token(entry: PrincipalEntry, reference: str, key: str, secrets: SecretReader) -> str:
    secret = secrets.read(reference, file=entry.file, key=key)
    if len(secret) < MIN_REFERENCED_TOKEN or not (secret.isascii() and secret.isprintable()):
        raise SettingsError(
            f"is no token: at least {MIN_REFERENCED_TOKEN} printable ASCII characters",
            file=entry.file,
            key=key,
            fix="make one with: gatekeep tokens new",
        )
    return secret
