"""SCRAM-SHA-256 and -PLUS, both sides, as pure exchanges: RFC 5802, RFC 7677, RFC 5929.

Random bytes arrive as arguments and the costly PBKDF2 is one function that callers may run
elsewhere. No sockets, no look-up of principals.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
import stringprep
import unicodedata
from base64 import b64decode, b64encode
from collections.abc import Sequence

from gatekeep.errors import ClientFault, TargetFault
from gatekeep.messages import client_violation, sign_in_failed

SCRAM = "SCRAM-SHA-256"
SCRAM_PLUS = "SCRAM-SHA-256-PLUS"
NONCE_BYTES = 18
MAX_ITERATIONS = 100_000
MAX_MESSAGE_BYTES = 2048
MAX_VERIFIERS = 8

_KEY_BYTES = 32
_BINDING = "tls-server-end-point"
_NONCE = re.compile(r"[\x21-\x2b\x2d-\x7e]{8,256}\Z")
_ITERATIONS = re.compile(r"[1-9][0-9]{0,9}\Z")

Keys = tuple[bytes, bytes]
"""StoredKey and ServerKey, 32 bytes each."""


def salted_password(password: str, salt: bytes, iterations: int) -> bytes:
    """RFC 5802 SaltedPassword: milliseconds of work per thousand iterations; caches are welcome."""
    return hashlib.pbkdf2_hmac("sha256", prepared(password).encode(), salt, iterations)


def make_verifier(password: str, salt: bytes, iterations: int) -> Keys:
    """StoredKey and ServerKey of a password (RFC 5802 section 3)."""
    salted = salted_password(password, salt, iterations)
    return hashlib.sha256(_mac(salted, b"Client Key")).digest(), _mac(salted, b"Server Key")


def prepared(password: str) -> str:
    """SASLprep (RFC 4013); a password that it forbids is used as it is, as PostgreSQL does."""
    if password.isascii():
        return password
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in password
        if not stringprep.in_table_b1(character)
    )
    normal = unicodedata.normalize("NFKC", mapped)
    return normal if normal and _permitted(normal) else password


class ServerExchange:
    """The gateway's side towards one client.

    `secrets` is what the directory holds for the name: salt, iterations and keys, mock ones for
    an unknown name; the exchange is the same for both. `binding` is the end-point hash of our
    certificate when this connection may bind to its channel, which offers -PLUS.
    Faults are ClientFault with the message for the client in `answer`.
    """

    def __init__(
        self, *, salt: bytes, iterations: int, verifiers: Sequence[Keys], nonce: bytes,
        binding: bytes = b"",
    ) -> None:  # fmt: skip
        self._salt = salt
        self._iterations = iterations
        self._verifiers = list(verifiers[:MAX_VERIFIERS])
        self._nonce = b64encode(nonce).decode()
        self._binding = binding
        self._bound = b""
        self._messages = ""

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """What to offer, the preferred one first."""
        return (SCRAM_PLUS, SCRAM) if self._binding else (SCRAM,)

    def first(self, mechanism: str, message: bytes) -> bytes:
        """Take the client-first-message; the server-first-message to send."""
        if mechanism not in self.mechanisms:
            raise _client_fault("a SASL mechanism that was not offered")
        text = _text(message)
        flag, comma, rest = text.partition(",")
        authzid, comma_2, bare = rest.partition(",")
        if not comma or not comma_2:
            raise _client_fault("a malformed SCRAM message")
        if authzid:
            raise _client_fault("an authorization identity, which is not offered")
        self._check_flag(flag, mechanism)
        header = f"{flag},,".encode()
        self._bound = header + self._binding if flag.startswith("p") else header
        parts = bare.split(",")
        if len(parts) < 2 or parts[0][:2] != "n=" or parts[1][:2] != "r=":  # noqa: PLR2004 - name, nonce
            raise _client_fault("a malformed SCRAM message")
        client_nonce = parts[1][2:]
        if not _NONCE.match(client_nonce):
            raise _client_fault("a malformed SCRAM nonce")
        self._nonce = client_nonce + self._nonce
        salt = b64encode(self._salt).decode()
        answer = f"r={self._nonce},s={salt},i={self._iterations}"
        self._messages = f"{bare},{answer}"
        return answer.encode()

    def final(self, message: bytes) -> tuple[int, bytes]:
        """Take the client-final-message: which verifier it proves, and the answer to send.

        Tries the proof against every verifier, always eight times, so that neither their number
        nor the one that fits shows in time. Raises ClientFault when none fits.
        """
        text = _text(message)
        without, separator, proof_text = text.rpartition(",p=")
        parts = without.split(",")
        if not separator or not self._messages or len(parts) < 2:  # noqa: PLR2004 - binding, nonce
            raise _client_fault("a malformed SCRAM message")
        if parts[0] != "c=" + b64encode(self._bound).decode():
            raise _sign_in_fault("channel binding differs")
        if parts[1] != f"r={self._nonce}":
            raise _client_fault("a SCRAM nonce that is not ours")
        proof = _unbase64(proof_text)
        if proof is None or len(proof) != _KEY_BYTES:
            raise _client_fault("a malformed SCRAM proof")
        whole = f"{self._messages},{without}".encode()
        found = self._proven(proof, whole)
        if found < 0:
            raise _sign_in_fault("the proof does not fit")
        signature = _mac(self._verifiers[found][1], whole)
        return found, b"v=" + b64encode(signature)

    def _check_flag(self, flag: str, mechanism: str) -> None:
        """RFC 5802 section 6: what the client says of channel binding fits what was offered."""
        if flag == "y" and self._binding:
            raise _sign_in_fault("the offer of channel binding was hidden from the client")
        if mechanism == SCRAM_PLUS:
            if flag != f"p={_BINDING}":
                raise _client_fault("a channel binding that is not offered")
        elif flag not in ("n", "y"):
            raise _client_fault("a channel binding that is not offered")

    def _proven(self, proof: bytes, whole: bytes) -> int:
        found = -1
        absent = (bytes(_KEY_BYTES), b"")
        for place in range(MAX_VERIFIERS):
            real = place < len(self._verifiers)
            stored = self._verifiers[place][0] if real else absent[0]
            client_key = _xor(proof, _mac(stored, whole))
            if hmac.compare_digest(hashlib.sha256(client_key).digest(), stored) and real:
                found = place
        return found


class ClientExchange:
    """The gateway's side towards one target. Faults are TargetFault.

    `binding` is the end-point hash of the target's certificate (empty without TLS or when it has
    none); with it -PLUS is taken where the target offers it.
    """

    def __init__(self, offered: Sequence[str], *, nonce: bytes, binding: bytes = b"") -> None:
        if binding and SCRAM_PLUS in offered:
            self.mechanism, flag = SCRAM_PLUS, f"p={_BINDING}"
        elif SCRAM in offered:
            self.mechanism, flag = SCRAM, "y" if binding else "n"
        else:
            raise _target_fault("offers no SCRAM mechanism that fits")
        header = f"{flag},,".encode()
        self._bound = b64encode(header + binding if flag[0] == "p" else header).decode()
        self._header = header
        self._bare = "n=,r=" + b64encode(nonce).decode()
        self._server_first = ""
        self._signature = b""
        self.salt = b""
        self.iterations = 0
        self.verified = False

    def first(self) -> bytes:
        """The client-first-message to send. The name travels in the start-up packet instead."""
        return self._header + self._bare.encode()

    def challenge(self, message: bytes) -> None:
        """Take the server-first-message; `salt` and `iterations` then say what to compute.

        Refuses more than 100,000 iterations: the target would spend our time (12-threats M1).
        """
        text = _target_text(message)
        parts = text.split(",")
        shape = [part[:2] for part in parts[:3]]
        if self._server_first or shape != ["r=", "s=", "i="]:
            raise _target_fault("sent a malformed SCRAM challenge")
        nonce, salt, count = (part[2:] for part in parts[:3])
        own = self._bare[len("n=,r=") :]
        if not _NONCE.match(nonce) or not nonce.startswith(own) or nonce == own:
            raise _target_fault("sent a SCRAM nonce that does not continue ours")
        decoded = _unbase64(salt)
        if not decoded or not _ITERATIONS.match(count):
            raise _target_fault("sent a malformed SCRAM challenge")
        if int(count) > MAX_ITERATIONS:
            raise _target_fault(f"asks for more than {MAX_ITERATIONS} iterations")
        self.salt, self.iterations, self._server_first = decoded, int(count), text

    def proof(self, salted: bytes) -> bytes:
        """The client-final-message to send, from the SaltedPassword."""
        nonce = self._server_first.split(",", 1)[0]
        without = f"c={self._bound},{nonce}"
        whole = f"{self._bare},{self._server_first},{without}".encode()
        client_key = _mac(salted, b"Client Key")
        signature = _mac(hashlib.sha256(client_key).digest(), whole)
        self._signature = _mac(_mac(salted, b"Server Key"), whole)
        return f"{without},p={b64encode(_xor(client_key, signature)).decode()}".encode()

    def verify(self, message: bytes) -> None:
        """Take the server-final-message; `verified` once the target has proven that it knows us."""
        text = _target_text(message)
        value = text.split(",", 1)[0]
        signature = _unbase64(value[2:]) if value.startswith("v=") else None
        if not self._signature or signature is None:
            raise _target_fault("refused the SCRAM exchange")
        if not hmac.compare_digest(signature, self._signature):
            raise _target_fault("sent a SCRAM signature that is wrong")
        self.verified = True


def _mac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def _xor(left: bytes, right: bytes) -> bytes:
    mixed = int.from_bytes(left, "big") ^ int.from_bytes(right, "big")
    return mixed.to_bytes(len(left), "big")


def _unbase64(text: str) -> bytes | None:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _text(message: bytes) -> str:
    try:
        if len(message) <= MAX_MESSAGE_BYTES and b"\0" not in message:
            return message.decode()
    except UnicodeDecodeError:
        pass
    raise _client_fault("a malformed SCRAM message")


def _target_text(message: bytes) -> str:
    if len(message) > MAX_MESSAGE_BYTES or not message.isascii():
        raise _target_fault("sent a malformed SCRAM message")
    return message.decode()


def _permitted(text: str) -> bool:
    """RFC 4013 sections 2.3 and 2.4: nothing prohibited, and one direction of writing."""
    prohibited = (
        stringprep.in_table_a1, stringprep.in_table_c12, stringprep.in_table_c21_c22,
        stringprep.in_table_c3, stringprep.in_table_c4, stringprep.in_table_c5,
        stringprep.in_table_c6, stringprep.in_table_c7, stringprep.in_table_c8,
        stringprep.in_table_c9,
    )  # fmt: skip
    if any(table(character) for character in text for table in prohibited):
        return False
    right = [stringprep.in_table_d1(character) for character in text]
    if not any(right):
        return True
    return right[0] and right[-1] and not any(map(stringprep.in_table_d2, text))


def _client_fault(what: str) -> ClientFault:
    answer = client_violation(f"Sign-in sent {what}.")
    return ClientFault(answer.primary, cause=what, answer=answer)


def _sign_in_fault(cause: str) -> ClientFault:
    answer = sign_in_failed()
    return ClientFault(answer.primary, cause=cause, answer=answer)


def _target_fault(cause: str) -> TargetFault:
    return TargetFault("the target did not prove itself", cause=cause)
