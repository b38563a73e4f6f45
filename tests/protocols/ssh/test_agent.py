"""The agent protocol as relayed: list and sign only, one at a time, and what a signature is good for."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.agent_wire import (
    FAILED,
    HOST,
    HOSTBOUND,
    KEY,
    LIST,
    message,
    sign_in,
    sign_request,
    signed_text,
    string,
)

from gatekeep.protocols.ssh.agent import (
    EXTENSION,
    LONGEST,
    REQUEST_IDENTITIES,
    SIGN_REQUEST,
    SIGN_RESPONSE,
    AgentConversation,
    AgentFault,
    AgentRequest,
    SignedText,
    SignIn,
    purpose_of,
)

KEYS = message(12, b"\x00\x00\x00\x00")
SIGNED = message(14, string(b"signature"))


def taken(raw: bytes) -> AgentRequest:
    """The one request that these bytes are."""
    talk = AgentConversation()
    talk.receive_target(raw)
    request = talk.take()
    assert request is not None
    return request


def out(raw: bytes) -> AgentConversation:
    """A conversation whose request was forwarded as it came."""
    talk = AgentConversation()
    talk.receive_target(raw)
    assert talk.take() is not None
    assert talk.forward() == raw
    return talk


def test_a_list_is_forwarded_and_its_answer_comes_back_as_it_is() -> None:
    """Nothing is looked into but the kind."""
    talk = out(LIST)
    assert not talk.idle
    answer = talk.receive_agent(KEYS)
    assert answer is not None
    assert (answer.kind, answer.frame) == (12, KEYS)
    assert talk.idle


def test_a_request_to_sign_is_told_with_what_it_is_good_for() -> None:
    """Its key, its data and its purpose."""
    data = sign_in(KEY, HOST)
    request = taken(sign_request(KEY, data))
    assert request == AgentRequest(SIGN_REQUEST, KEY, data, SignIn("deploy", HOSTBOUND, HOST))
    assert out(sign_request(KEY, data)).receive_agent(SIGNED).kind == SIGN_RESPONSE


@pytest.mark.parametrize(
    "kind", [kind for kind in range(256) if kind not in (REQUEST_IDENTITIES, SIGN_REQUEST)]
)
def test_no_other_request_can_be_forwarded(kind: int) -> None:
    """Add, remove, lock, extensions, SSH1's and the unknown: all that can be said is no."""
    talk = AgentConversation()
    talk.receive_target(message(kind, b"anything"))
    assert talk.take() == AgentRequest(kind)
    with pytest.raises(AgentFault):
        talk.forward()


def test_a_refusal_is_a_failure_and_the_next_request_is_taken() -> None:
    """The target hears SSH_AGENT_FAILURE and may go on."""
    talk = AgentConversation()
    talk.receive_target(message(EXTENSION, b"x") + LIST)
    assert talk.take() == AgentRequest(EXTENSION)
    assert talk.refuse() == FAILED
    assert talk.take() == AgentRequest(REQUEST_IDENTITIES)


def test_one_request_is_out_at_a_time() -> None:
    """What comes meanwhile waits for the answer."""
    talk = out(LIST)
    talk.receive_target(LIST)
    assert talk.take() is None
    talk.receive_agent(KEYS)
    assert talk.take() == AgentRequest(REQUEST_IDENTITIES)


BREAKING: dict[str, Callable[[AgentConversation], object]] = {
    "a length of nothing": lambda talk: talk.receive_target(bytes(4)),
    "a length beyond": lambda talk: talk.receive_target((LONGEST + 1).to_bytes(4, "big")),
    "too much at once": lambda talk: talk.receive_target(LIST * (LONGEST // 2)),
    "an answer unasked": lambda talk: talk.receive_agent(KEYS),
    "a byte unasked": lambda talk: talk.receive_agent(b"\0"),
    "a forward of nothing": lambda talk: talk.forward(),
    "a refusal of nothing": lambda talk: talk.refuse(),
    "a list with more": lambda talk: (talk.receive_target(message(11, b"x")), talk.take()),
    "a signature without a key": lambda talk: (
        talk.receive_target(sign_request(b"", b"data")), talk.take(),
    ),
    "a signature cut short": lambda talk: (
        talk.receive_target(message(13, string(KEY) + string(b"data"))), talk.take(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BREAKING)
def test_what_breaks_it_breaks_it_for_good(what: str) -> None:
    """From the first fault on nothing is taken, forwarded, refused or answered."""
    talk = AgentConversation()
    with pytest.raises(AgentFault):
        BREAKING[what](talk)
    calls: tuple[Callable[[], object], ...] = (
        lambda: talk.receive_target(LIST), talk.take, talk.forward, talk.refuse,
        lambda: talk.receive_agent(KEYS),
    )  # fmt: skip
    for call in calls:
        with pytest.raises(AgentFault):
            call()
    assert not talk.idle


@pytest.mark.parametrize(
    "answer",
    [
        SIGNED,
        message(6),
        message(5, b"x"),
        KEYS + b"\0",
        KEYS + KEYS,
        (LONGEST + 1).to_bytes(4, "big"),
        bytes(4),
        message(14)[:5],
    ],
    ids=[
        "other kind",
        "success",
        "long failure",
        "byte behind",
        "twice",
        "too long",
        "none",
        "cut",
    ],
)
def test_an_answer_to_another_question_never_reaches_the_target(answer: bytes) -> None:
    """Of a client's agent as of a target: what was not asked for is a fault, at its first bytes."""
    talk = out(LIST)
    with pytest.raises(AgentFault):
        talk.receive_agent(answer)


def test_an_agent_may_refuse() -> None:
    """A failure is an answer to anything."""
    answer = out(sign_request(KEY, signed_text())).receive_agent(FAILED)
    assert answer is not None
    assert answer.frame == FAILED


@pytest.mark.parametrize(
    ("data", "purpose"),
    [
        (sign_in(KEY), SignIn("deploy", "publickey")),
        (sign_in(KEY, HOST), SignIn("deploy", HOSTBOUND, HOST)),
        (sign_in(KEY, session_id=bytes(64)), SignIn("deploy", "publickey")),
        (sign_in(KEY, session_id=bytes(19)), None),
        (sign_in(KEY, session_id=bytes(65)), None),
        (sign_in(KEY, method=HOSTBOUND), None),
        (sign_in(KEY, HOST, method="publickey"), None),
        (sign_in(KEY, HOST) + b"\0", None),
        (sign_in(KEY, HOST)[:-1], None),
        (sign_in(HOST, HOST), None),
        (sign_in(KEY, HOST, service="ssh-userauth"), None),
        (sign_in(KEY, HOST, algorithm=""), None),
        (sign_in(KEY, HOST).replace(b"\x32", b"\x33", 1), None),
        (sign_in(KEY, HOST).replace(b"\x01\x00\x00\x00\x0b", b"\x00\x00\x00\x00\x0b"), None),
        (sign_in(KEY, HOST).replace(b"deploy", b"\xff\xfe\xfd\xfc\xfb\xfa"), None),
        (signed_text("git"), SignedText("git")),
        (signed_text("git", algorithm="sha256"), SignedText("git")),
        (signed_text("git", algorithm="sha1"), None),
        (signed_text(""), None),
        (signed_text("git") + b"\0", None),
        (signed_text("git")[:-1], None),
        (b"SSHSIG", None),
        (b"", None),
        (string("ssh-ed25519-cert-v01@openssh.com") + string(b"nonce"), None),
        (b"a text", None),
    ],
)
def test_what_a_signature_is_good_for(data: bytes, purpose: object) -> None:
    """Known to the last byte, or not known."""
    assert purpose_of(data, KEY) == purpose


@pytest.mark.parametrize(
    ("flags", "known"), [(0, True), (2, True), (4, True), (1, False), (8, False)]
)
def test_flags_that_nobody_knows_make_a_purpose_unknown(flags: int, known: bool) -> None:
    """What the agent would sign then is not known either."""
    assert (taken(sign_request(KEY, signed_text(), flags)).purpose is not None) is known


FRAMES = st.sampled_from(
    [
        (LIST, KEYS),
        (sign_request(KEY, sign_in(KEY, HOST)), SIGNED),
        (sign_request(KEY, signed_text()), FAILED),
        (message(EXTENSION, b"x"), b""),
        (message(19), b""),
    ]
)


def pieces(raw: bytes, cuts: list[int]) -> list[bytes]:
    """The same bytes, cut there."""
    places = sorted({0, len(raw), *(cut % (len(raw) + 1) for cut in cuts)})
    return [raw[start:end] for start, end in itertools.pairwise(places)]


def told(requests: list[bytes], answers: list[bytes], cuts: list[int]) -> list[object]:
    """All that a conversation says, in order, when both peers' bytes come in pieces."""
    talk, found = AgentConversation(), list[object]()
    coming = iter(answers)

    def go_on() -> None:
        while (request := talk.take()) is not None:
            answer = next(coming)
            found.append(request)
            if not answer:
                found.append(talk.refuse())
                continue
            found.append(talk.forward())
            for piece in pieces(answer, cuts):
                heard = talk.receive_agent(piece)
                if heard is not None:
                    found.append(heard)

    for piece in pieces(b"".join(requests), cuts):
        talk.receive_target(piece)
        go_on()
    return found


@given(st.lists(FRAMES, max_size=6), st.lists(st.integers(0, 2000), max_size=12))
def test_it_is_the_same_however_the_bytes_are_cut(
    frames: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    """Requests, answers and refusals are those of the uncut bytes, one after the other."""
    requests, answers = [raw for raw, _ in frames], [answer for _, answer in frames]
    assert told(requests, answers, cuts) == told(requests, answers, [])


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=40)), max_size=20))
def test_any_bytes_are_requests_or_a_fault(coming: list[tuple[bool, bytes]]) -> None:
    """Nothing but AgentFault is raised, and nothing but list and sign goes to the agent."""
    talk = AgentConversation()
    try:
        for from_target, data in coming:
            if from_target:
                talk.receive_target(data)
            else:
                talk.receive_agent(data)
            while (request := talk.take()) is not None:
                if request.kind not in (REQUEST_IDENTITIES, SIGN_REQUEST):
                    assert talk.refuse() == FAILED
                else:
                    assert talk.forward()[4] in (REQUEST_IDENTITIES, SIGN_REQUEST)
    except AgentFault:
        assert not talk.idle


@given(st.binary(max_size=200), st.binary(min_size=1, max_size=40))
def test_any_data_has_a_purpose_or_none(data: bytes, key: bytes) -> None:
    """Reading it never fails; a sign-in names the key that signs."""
    purpose = purpose_of(data, key)
    assert not isinstance(purpose, SignIn) or key in data
