"""SCRAM, both sides: the RFC's own numbers, then everything that must not pass."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.errors import ClientFault, TargetFault
from gatekeep.protocols.postgres import scram
from gatekeep.protocols.postgres.scram import ClientExchange, ServerExchange

SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
CLIENT_NONCE = "rOprNGfwEbeRWgbNEkqO"
SERVER_NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
FINAL = (
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)
SIGNATURE = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
ITERATIONS = 4096
FEW = 16


def server(
    *passwords: str, binding: bytes = b"", iterations: int = FEW, nonce: bytes = b"s" * 18
) -> ServerExchange:
    """The gateway's side for these tokens."""
    keys = [scram.make_verifier(password, SALT, iterations) for password in passwords]
    return ServerExchange(
        salt=SALT, iterations=iterations, verifiers=keys, nonce=nonce, binding=binding
    )


def talk(client: ClientExchange, gateway: ServerExchange, password: str) -> int:
    """The whole exchange; which verifier was proven."""
    client.challenge(gateway.first(client.mechanism, client.first()))
    salted = scram.salted_password(password, client.salt, client.iterations)
    found, last = gateway.final(client.proof(salted))
    client.verify(last)
    return found


def test_the_exchange_of_rfc_7677_section_3_on_the_gateway_side() -> None:
    """With the RFC's password, salt and nonces the gateway answers the RFC's bytes."""
    gateway = server("pencil", iterations=ITERATIONS)
    gateway._nonce = SERVER_NONCE
    first = gateway.first("SCRAM-SHA-256", f"n,,n=user,r={CLIENT_NONCE}".encode())
    expected = f"r={CLIENT_NONCE}{SERVER_NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    assert first == expected.encode()
    assert gateway.final(FINAL.encode()) == (0, SIGNATURE.encode())


def test_the_exchange_of_rfc_7677_section_3_on_the_client_side() -> None:
    """With the RFC's nonces the gateway proves itself to a target with the RFC's bytes."""
    client = ClientExchange(["SCRAM-SHA-256"], nonce=b"x" * 18)
    # our client leaves the name empty; the RFC's goes in once the challenge is taken
    client._bare = f"n=,r={CLIENT_NONCE}"
    client.challenge(
        f"r={CLIENT_NONCE}{SERVER_NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".encode()
    )
    client._bare = f"n=user,r={CLIENT_NONCE}"
    assert client.proof(scram.salted_password("pencil", client.salt, 4096)) == FINAL.encode()
    client.verify(SIGNATURE.encode())
    assert client.verified


@pytest.mark.parametrize("place", range(8))
def test_any_of_eight_live_tokens_signs_in(place: int) -> None:
    """Tokens of a principal share a salt; the proof is tried against each."""
    tokens = [f"token-{number}" for number in range(8)]
    client = ClientExchange(["SCRAM-SHA-256"], nonce=b"c" * 18)
    assert talk(client, server(*tokens), tokens[place]) == place


def test_a_ninth_token_is_never_tried() -> None:
    """The work per sign-in is bounded."""
    tokens = [f"token-{number}" for number in range(9)]
    with pytest.raises(ClientFault):
        talk(ClientExchange(["SCRAM-SHA-256"], nonce=b"c" * 18), server(*tokens), "token-8")


def test_no_verifier_no_entry_and_the_usual_words() -> None:
    """A name without any key goes through the exchange and is refused like a wrong password."""
    words = []
    for gateway in (server(), server("right")):
        client = ClientExchange(["SCRAM-SHA-256"], nonce=b"c" * 18)
        with pytest.raises(ClientFault) as refused:
            talk(client, gateway, "wrong")
        words.append(refused.value.answer)
    assert words[0] == words[1]
    assert words[0] is not None
    assert words[0].sqlstate == "28P01"


def test_all_zero_keys_of_an_empty_place_are_no_key() -> None:
    """Places without a verifier are computed with a stand-in that cannot be proven."""
    gateway = server()
    first = gateway.first("SCRAM-SHA-256", b"n,,n=,r=clientnonce").decode()
    without = "c=biws," + first.split(",")[0]
    whole = f"n=,r=clientnonce,{first},{without}".encode()
    proof = scram._mac(bytes(32), whole)
    with pytest.raises(ClientFault):
        gateway.final(f"{without},p={base64.b64encode(proof).decode()}".encode())


def test_plus_binds_to_the_channel() -> None:
    """Both sides take -PLUS when they see one certificate, and fail when they see two."""
    hash_1 = hashlib.sha256(b"certificate").digest()
    gateway = server("right", binding=hash_1)
    assert gateway.mechanisms == ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256")
    client = ClientExchange(gateway.mechanisms, nonce=b"c" * 18, binding=hash_1)
    assert client.mechanism == "SCRAM-SHA-256-PLUS"
    assert talk(client, gateway, "right") == 0
    middle = ClientExchange(
        gateway.mechanisms, nonce=b"c" * 18, binding=hashlib.sha256(b"other").digest()
    )
    with pytest.raises(ClientFault) as refused:
        talk(middle, server("right", binding=hash_1), "right")
    assert refused.value.cause == "channel binding differs"


def test_a_hidden_offer_of_plus_is_seen() -> None:
    """A client that would bind but was not offered it (`y`) is refused where we did offer."""
    gateway = server("right", binding=b"hash")
    with pytest.raises(ClientFault) as refused:
        gateway.first("SCRAM-SHA-256", b"y,,n=,r=clientnonce")
    assert refused.value.answer is not None
    assert refused.value.answer.sqlstate == "28P01"
    assert server("right").first("SCRAM-SHA-256", b"y,,n=,r=clientnonce")


@pytest.mark.parametrize(
    ("mechanism", "message"),
    [
        ("PLAIN", b"n,,n=,r=clientnonce"),
        ("SCRAM-SHA-256-PLUS", b"p=tls-server-end-point,,n=,r=clientnonce"),
        ("SCRAM-SHA-256", b"p=tls-server-end-point,,n=,r=clientnonce"),
        ("SCRAM-SHA-256", b"n,a=admin,n=,r=clientnonce"),
        ("SCRAM-SHA-256", b"n,,m=ext,n=,r=clientnonce"),
        ("SCRAM-SHA-256", b"n,,n=,r=with,comma"),
        ("SCRAM-SHA-256", b"n,,n=,r="),
        ("SCRAM-SHA-256", b"n,,n=,r=blank here"),
        ("SCRAM-SHA-256", b"n,,r=clientnonce"),
        ("SCRAM-SHA-256", b"x,,n=,r=clientnonce"),
        ("SCRAM-SHA-256", b""),
        ("SCRAM-SHA-256", b"\xff\xfe,,"),
        ("SCRAM-SHA-256", b"n,,n=\0,r=clientnonce"),
        ("SCRAM-SHA-256", b"n,,n=,r=" + b"a" * 3000),
    ],
)
def test_a_first_message_that_is_wrong(mechanism: str, message: bytes) -> None:
    """Everything but what was offered is a client's fault."""
    with pytest.raises(ClientFault):
        server("right").first(mechanism, message)


def test_a_plus_client_must_bind_as_offered() -> None:
    """Under -PLUS neither `n` nor another kind of binding passes."""
    for flag in (b"n", b"y", b"p=tls-unique"):
        with pytest.raises(ClientFault):
            server("right", binding=b"h").first("SCRAM-SHA-256-PLUS", flag + b",,n=,r=clientnonce")


def test_a_final_message_before_the_first_is_refused() -> None:
    """There is nothing that it could prove."""
    with pytest.raises(ClientFault):
        server("right").final(FINAL.encode())


def test_a_target_may_not_spend_our_time() -> None:
    """100,000 iterations are computed, one more is refused."""
    for count, refused in (("100000", False), ("100001", True), ("9" * 400, True), ("0", True)):
        client = ClientExchange(["SCRAM-SHA-256"], nonce=b"c" * 18)
        own = client.first().decode().split("r=")[1]
        message = f"r={own}theirs12,s=c2FsdA==,i={count}".encode()
        if refused:
            with pytest.raises(TargetFault):
                client.challenge(message)
        else:
            client.challenge(message)


def test_a_target_that_does_not_know_the_password_is_found_out() -> None:
    """A wrong signature, an error, none at all: never verified."""
    for last in (b"v=" + base64.b64encode(bytes(32)), b"e=other-error", b"", b"v=!", b"\xff"):
        client = ClientExchange(["SCRAM-SHA-256"], nonce=b"c" * 18)
        gateway = server("right")
        client.challenge(gateway.first("SCRAM-SHA-256", client.first()))
        client.proof(scram.salted_password("right", client.salt, client.iterations))
        with pytest.raises(TargetFault):
            client.verify(last)
        assert not client.verified


def test_a_target_must_continue_our_nonce() -> None:
    """A challenge made for somebody else, or with nothing of its own, is refused."""
    client = ClientExchange(["SCRAM-SHA-256"], nonce=b"c" * 18)
    own = client.first().decode().split("r=")[1]
    for nonce in (own, "someone-elses-nonce", ""):
        with pytest.raises(TargetFault):
            client.challenge(f"r={nonce},s=c2FsdA==,i=4096".encode())


def test_no_mechanism_that_fits() -> None:
    """A target that offers only -PLUS without a channel, or nothing, is refused."""
    for offered in ([], ["PLAIN"], ["SCRAM-SHA-256-PLUS"]):
        with pytest.raises(TargetFault):
            ClientExchange(offered, nonce=b"c" * 18)


def test_passwords_are_prepared_as_rfc_4013_says() -> None:
    """Its own examples, and what it forbids is left as PostgreSQL leaves it."""
    assert scram.prepared("I\u00adX") == "IX"
    assert scram.prepared("user") == "user"
    assert scram.prepared("\u00aa") == "a"
    assert scram.prepared("\u2168") == "IX"
    assert scram.prepared("a\u00a0b") == "a b"
    assert scram.prepared("\u0007é") == "\u0007é"
    assert scram.prepared("\u0627\u0031") == "\u0627\u0031"


@given(st.binary(max_size=300), st.binary(max_size=300), st.booleans())
def test_bytes_from_anyone_are_a_fault_and_nothing_else(
    first: bytes, second: bytes, plus: bool
) -> None:
    """Garbage at any step raises the fault of its sender; no other exception, no entry."""
    gateway = server("right", binding=b"hash" if plus else b"")

    def enter(message: bytes) -> None:
        gateway.first("SCRAM-SHA-256", message)
        gateway.final(second)

    def believe() -> None:
        client = ClientExchange(["SCRAM-SHA-256"], nonce=b"c" * 18)
        client.challenge(first)
        client.verify(second)

    for message in (first, b"n,,n=,r=" + first):
        with pytest.raises(ClientFault):
            enter(message)
    with pytest.raises(TargetFault):
        believe()


@given(st.text(min_size=1, max_size=40), st.binary(min_size=1, max_size=40))
def test_any_password_and_salt_meet(password: str, salt: bytes) -> None:
    """What make_verifier stores is what a client with that password proves."""
    keys = scram.make_verifier(password, salt, FEW)
    gateway = ServerExchange(salt=salt, iterations=FEW, verifiers=[keys], nonce=b"s" * 18)
    client = ClientExchange(["SCRAM-SHA-256"], nonce=b"c" * 18)
    assert talk(client, gateway, password) == 0
