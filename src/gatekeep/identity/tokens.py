"""Access tokens: made once, kept as SCRAM verifiers only, expiring, revocable at once.

How they are stored is the store's job; how a proof is checked is the protocol room's.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import orjson

from gatekeep.domain.events import EventKind
from gatekeep.errors import NotPermitted
from gatekeep.gate.ports import ScramVerifier, StoredToken, TokenRow, TokenStore
from gatekeep.identity.steadiness import SteadyTime
from gatekeep.runtime.clock import Clock, random_bytes

ITERATIONS: Final = 4096
"""PBKDF2 rounds. Tokens hold 190 random bits, so rounds protect nothing more than habit asks."""

LIVE_TOKENS: Final = 8
"""Live tokens of one principal: each costs a try at every sign-in."""

NOTE_CHARACTERS: Final = 200

_PREFIX: Final = "gk_"
_RANDOM: Final = 32
_CHECK: Final = 6
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_UNBIASED: Final = 256 - 256 % len(_ALPHABET)
_SALT_BYTES: Final = 16
_ID_BYTES: Final = 5

_STAND_INS: Final = (
    StoredToken(TokenRow("", "", 0, 1 << 62, 0, ""), bytes(32), bytes(32), active=True),
) * LIVE_TOKENS
"""Tokens that are nobody's, in the place of those that a name does not have."""

_NO_FINDERS: Final[Mapping[str, tuple[bytes, ...]]] = MappingProxyType({})

TOKEN_PATTERN: Final = re.compile(rf"{_PREFIX}[0-9A-Za-z]{{{_RANDOM + _CHECK}}}(?![0-9A-Za-z])")

Random = Callable[[int], bytes]


def new_secret(random: Random = random_bytes) -> str:
    """A token's secret: `gk_`, 32 random base62 characters, 6 of CRC-32.

    The check lets leak scanners tell a token from chance; it is no protection.
    """
    drawn = ""
    while len(drawn) < _RANDOM:
        drawn += "".join(_ALPHABET[byte % 62] for byte in random(_RANDOM) if byte < _UNBIASED)
    drawn = drawn[:_RANDOM]
    return _PREFIX + drawn + _check(drawn)


def is_token(text: str) -> bool:
    """Whether `text` has the form of a token, its check included."""
    if not TOKEN_PATTERN.fullmatch(text):
        return False
    body = text.removeprefix(_PREFIX)
    return _check(body[:_RANDOM]) == body[_RANDOM:]


def verifier(token_id: str, secret: str, salt: bytes) -> ScramVerifier:
    """StoredKey and ServerKey of a secret (RFC 5802 section 3, with SHA-256 as in RFC 7677).

    Secrets are ASCII, so SASLprep leaves them as they are.
    """
    salted = hashlib.pbkdf2_hmac("sha256", secret.encode("ascii"), salt, ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return ScramVerifier(token_id, hashlib.sha256(client_key).digest(), server_key)


def finder(secret: str) -> bytes:
    """The digest that a token is found by where no name comes with it.

    190 random bits stand behind it, so it needs neither salt nor rounds.
    """
    return hashlib.sha256(b"gatekeep token\0" + secret.encode("utf-8", "surrogatepass")).digest()


class TokenDesk:
    """All tokens of one gateway. Implements gate.ports.Tokens.

    Order of a change: it is stored together with the event that it owes (outbox); the caller
    appends that event to the journal and, once it is durable, calls `settle`. A token that was
    made works only from then on; a revocation stops the token before that, because it only
    takes rights away.
    """

    def __init__(self, store: TokenStore, clock: Clock, *, random: Random = random_bytes) -> None:
        self._store = store
        self._time = SteadyTime(clock)
        self._random = random
        self._salt_key = store.salt_key()
        self._referenced: Mapping[str, tuple[ScramVerifier, ...]] = {}
        self._referenced_finders: Mapping[bytes, tuple[str, str] | None] = {}
        self._tokens: dict[str, StoredToken] = {}
        self._by_principal: dict[str, tuple[StoredToken, ...]] = {}
        self._by_finder: dict[bytes, StoredToken] = {}
        self._read()

    def replace_principals(
        self,
        referenced: Mapping[str, tuple[ScramVerifier, ...]],
        finders: Mapping[str, tuple[bytes, ...]] = _NO_FINDERS,
    ) -> None:
        """All principals that exist now, each with the tokens that its file refers to.

        `finders` are those of the same tokens, in the same order. The tokens of a principal that
        is gone stop at once.
        """
        self._referenced = dict(referenced)
        found: dict[bytes, tuple[str, str] | None] = {}
        for name, kept in finders.items():
            for one, keys in zip(kept, referenced[name], strict=True):
                # what two principals share tells of neither
                found[one] = None if one in found else (name, keys.token_id)
        self._referenced_finders = found

    def holder(self, secret: str) -> tuple[str, str] | None:
        """The name of the principal whose working token this is, and the token's id.

        It is looked up by its digest, which whoever guesses cannot steer, so that the time it
        takes tells nothing of what is kept. Tokens without a finder are not found.
        """
        wanted = finder(secret)
        token = self._by_finder.get(wanted)
        if token is not None:
            return (token.row.principal, token.row.id) if self.works(token.row.id) else None
        return self._referenced_finders.get(wanted)

    def salt(self, principal: str) -> bytes:
        """The salt of a name, the same for ever, whether such a principal exists or not."""
        name = principal.encode("utf-8", "surrogatepass")
        return hmac.digest(self._salt_key, b"scram-salt\0" + name, "sha256")[:_SALT_BYTES]

    def verifiers(self, principal: str) -> tuple[ScramVerifier, ...]:
        """The verifiers of all tokens that work now; none for unknown names.

        As much work is done for a name with few tokens, or none, as for one with many: outside,
        time must not tell who there is.
        """
        referenced = self._referenced.get(principal)
        kept = self._by_principal.get(principal, ())
        padded = (*kept, *_STAND_INS[len(kept) :])
        made = [
            ScramVerifier(token.row.id, token.stored_key, token.server_key)
            for token in padded
            if self._is_live(token.row) and token.active
        ]
        if referenced is None:
            return ()
        return (*referenced, *(one for one in made if one.token_id))[:LIVE_TOKENS]

    def works(self, token_id: str) -> bool:
        """Whether a session that began with this token may go on."""
        token = self._tokens.get(token_id)
        if token is None:
            return any(
                one.token_id == token_id for kept in self._referenced.values() for one in kept
            )
        known = token.row.principal in self._referenced
        return known and token.active and self._is_live(token.row)

    def make(self, principal: str, *, ttl_s: int | None, note: str) -> tuple[TokenRow, str]:
        """A new token and its secret; it works after `settle`.

        Raises NotPermitted for an unknown principal, a life that is not positive, or a principal
        that has 8 live tokens.
        """
        referenced = self._referenced.get(principal)
        if referenced is None:
            raise NotPermitted("there is no such principal")
        if ttl_s is not None and ttl_s <= 0:
            raise NotPermitted("a token needs a positive life")
        if len(self._live(principal)) + len(referenced) >= LIVE_TOKENS:
            raise NotPermitted(f"a principal has at most {LIVE_TOKENS} live tokens; revoke one")
        now = self._time.onward_us()
        secret = new_secret(self._random)
        row = TokenRow(
            id=self._new_id(),
            principal=principal,
            created_us=now,
            expires_us=now + ttl_s * 1_000_000 if ttl_s is not None else 0,
            revoked_us=0,
            note=note[:NOTE_CHARACTERS],
        )
        keys = verifier(row.id, secret, self.salt(principal))
        token = StoredToken(
            row, keys.stored_key, keys.server_key, active=False, finder=finder(secret)
        )
        self._store.add_token(token, _event(row))
        self._read()
        return row, secret

    def revoke(self, token_id: str) -> TokenRow:
        """Revoke by id or unique prefix; it stops at once. Revoking twice changes nothing.

        Raises KeyError if there is none, or more than one.
        """
        row = self._find(token_id).row
        if row.revoked_us == 0:
            self._store.revoke_token(row.id, self._time.onward_us(), _event(row))
            self._read()
        return self._tokens[row.id].row

    def settle(self, token_id: str, kind: EventKind) -> TokenRow:
        """The event of this token's making or revoking is durable. Raises KeyError."""
        token = self._tokens[token_id]
        for owed in self._store.pending():
            if owed.subject == token_id and owed.kind is kind:
                self._store.settle(owed.id)
        self._read()
        return self._tokens[token.row.id].row

    def rows(self, principal: str | None = None) -> Sequence[TokenRow]:
        """Tokens, newest first."""
        return [
            token.row
            for token in self._tokens.values()
            if principal is None or token.row.principal == principal
        ]

    def _read(self) -> None:
        """Take over what the store holds; only this process changes tokens."""
        self._tokens = {token.row.id: token for token in self._store.tokens()}
        self._by_finder = {token.finder: token for token in self._tokens.values() if token.finder}
        grouped: dict[str, list[StoredToken]] = {}
        for token in self._tokens.values():
            grouped.setdefault(token.row.principal, []).append(token)
        self._by_principal = {name: tuple(tokens) for name, tokens in grouped.items()}

    def _live(self, principal: str) -> list[StoredToken]:
        return [
            token for token in self._by_principal.get(principal, ()) if self._is_live(token.row)
        ]

    def _is_live(self, row: TokenRow) -> bool:
        if row.revoked_us:
            return False
        return row.expires_us == 0 or self._time.onward_us() < row.expires_us

    def _find(self, token_id: str) -> StoredToken:
        exact = self._tokens.get(token_id)
        if exact is not None:
            return exact
        found = [token for name, token in self._tokens.items() if name.startswith(token_id)]
        if not token_id or len(found) != 1:
            raise KeyError(token_id)
        return found[0]

    def _new_id(self) -> str:
        while True:
            drawn = "t" + self._random(_ID_BYTES).hex()
            if drawn not in self._tokens:
                return drawn


def _check(text: str) -> str:
    rest = zlib.crc32(text.encode("ascii"))
    digits = ""
    for _ in range(_CHECK):
        rest, digit = divmod(rest, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits


def _event(row: TokenRow) -> bytes:
    """Payload of `token.made` and `token.revoked`: what is listed, never a secret."""
    facts = {
        "expires_us": row.expires_us,
        "note": row.note,
        "of": row.principal,
        "token": row.id,
    }
    return orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)
