"""Fuzz target: SCRAM on both sides, against an exchange computed anew from RFC 5802.

Whoever is accepted has proven a password over exactly the messages that were exchanged.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode

from fuzz.draw import Draw
from gatekeep.errors import ClientFault, TargetFault
from gatekeep.protocols.postgres import scram

SALT = bytes(range(16))
PASSWORDS = ("one", "two", "three")
SALTED = {word: scram.salted_password(word, SALT, 1) for word in (*PASSWORDS, "wrong")}
VERIFIERS = [scram.make_verifier(word, SALT, 1) for word in PASSWORDS]
BINDING = bytes(range(32))


def _mac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def _proof(salted: bytes, whole: bytes) -> bytes:
    key = _mac(salted, b"Client Key")
    signed = _mac(hashlib.sha256(key).digest(), whole)
    return bytes(a ^ b for a, b in zip(key, signed, strict=True))


def check(draw: Draw) -> None:
    """One exchange, of ours with a client or of ours with a target, honest or not."""
    if draw.chance(2):
        _with_client(draw)
    else:
        _with_target(draw)


def _twisted(draw: Draw, message: bytes) -> bytes:
    way = draw.below(4)
    if way == 1:
        return draw.damaged(message)
    if way == 2:
        return message + draw.choice((b",x=y", b",", b",p=", b"\0", b",m=1", "\u00e9".encode()))
    return draw.some(60) if draw.chance(9) else message


def _with_client(draw: Draw) -> None:
    bound = draw.chance(2)
    count = draw.below(len(VERIFIERS) + 1)
    ours = scram.ServerExchange(
        salt=SALT, iterations=1, verifiers=VERIFIERS[:count], nonce=draw.take(scram.NONCE_BYTES),
        binding=BINDING if bound else b"",
    )  # fmt: skip
    mechanism = draw.choice((*ours.mechanisms, scram.SCRAM, scram.SCRAM_PLUS, "PLAIN"))
    flag = draw.choice(("n", "y", "p=tls-server-end-point", "p=tls-unique"))
    nonce = b64encode(draw.take(18)).decode()
    first = _twisted(draw, f"{flag},,n=,r={nonce}".encode())
    try:
        answer = ours.first(mechanism, first).decode()
        header, _, rest = first.decode().partition(",,")
        given = answer.split(",", 1)[0]
        bare = f"{header},,".encode() + (BINDING if header.startswith("p") else b"")
        without = f"c={b64encode(bare).decode()},{given}"
        word = draw.choice((*PASSWORDS, "wrong"))
        proof = _proof(SALTED[word], f"{rest},{answer},{without}".encode())
        final = f"{without},p={b64encode(proof).decode()}".encode()
        final = _twisted(draw, final)
        found, signature = ours.final(final)
    except ClientFault as fault:
        assert fault.answer is not None
        return
    # Accepted: then everything must hold, computed again from what really went over the wire.
    assert mechanism in ours.mechanisms
    assert header in ("n", "y") or (mechanism == scram.SCRAM_PLUS and bound)
    assert not (header == "y" and bound)
    proven, _, told = final.decode().rpartition(",p=")
    parts = proven.split(",")
    assert b64decode(parts[0][2:]) == bare
    assert parts[1] == given
    whole = f"{rest},{answer},{proven}".encode()
    assert 0 <= found < count
    salted = SALTED[PASSWORDS[found]]
    assert b64decode(told) == _proof(salted, whole)
    assert signature == b"v=" + b64encode(_mac(_mac(salted, b"Server Key"), whole))


def _with_target(draw: Draw) -> None:
    binding = BINDING if draw.chance(2) else b""
    offered = draw.choice(
        ([scram.SCRAM], [scram.SCRAM_PLUS, scram.SCRAM], [scram.SCRAM_PLUS], [], ["PLAIN"])
    )
    ours = None
    salted = SALTED[draw.choice((*PASSWORDS, "wrong"))]
    known = SALTED["one"]
    count = draw.choice(("1", "1", "4096", "100000", "100001", "0", "-1", "1e3", "9999999999", "\u0661"))
    try:
        ours = scram.ClientExchange(offered, nonce=draw.take(scram.NONCE_BYTES), binding=binding)
        first = ours.first().decode()
        own = first.rpartition("r=")[2]
        more = draw.choice(("abc", "", ",", "\u00e9", "a" * 300))
        challenge = f"r={own}{more},s={b64encode(SALT).decode()},i={count}".encode()
        challenge = _twisted(draw, challenge)
        ours.challenge(challenge)
        assert 1 <= ours.iterations <= scram.MAX_ITERATIONS
        assert ours.salt
        if draw.chance(6):
            ours.challenge(challenge)
            raise AssertionError("a second challenge was taken")
        final = ours.proof(salted).decode()
        without = final.rpartition(",p=")[0]
        bare = first.partition(",,")[2]
        whole = f"{bare},{challenge.decode()},{without}".encode()
        assert b64decode(final.rpartition(",p=")[2]) == _proof(salted, whole)
        signature = _mac(_mac(known, b"Server Key"), whole)
        last = _twisted(draw, b"v=" + b64encode(signature))
        ours.verify(last)
    except TargetFault as fault:
        assert fault.public
        assert ours is None or not ours.verified
        return
    assert ours.verified
    assert salted == known
    assert b64decode(last.split(b",")[0][2:]) == signature
    assert (ours.mechanism == scram.SCRAM_PLUS) == bool(binding and scram.SCRAM_PLUS in offered)
