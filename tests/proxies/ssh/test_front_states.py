"""The state table of a sign-in, walked at random: nobody is in without every proof asked for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from support.clock import MovedClock
from support.door import People

from gatekeep.gate.ports import ScramSecrets
from gatekeep.identity.lockouts import LockOutBook
from gatekeep.proxies.folding import FoldedEvents
from gatekeep.proxies.ssh.front import FIRST_METHODS, SECOND_METHODS, FrontAuth, FrontPorts

NAMES = ["alice", "bobby", "alice+web-1", "nobod", "A+b"]


@dataclass
class Proofs:
    """Alice needs a code, nobody else does; right is what says so."""

    def known_key(self, name: str, key: bytes) -> bool:
        """Alice's and Bobby's."""
        return name in ("alice", "bobby")

    def needs_code(self, name: str) -> bool:
        """Alice."""
        return name == "alice"

    def accept_code(self, name: str, code: str) -> bool:
        """Hers."""
        return name == "alice" and code == "right"


class Tokens:
    """Compares texts."""

    async def matching(self, secrets: ScramSecrets, password: str) -> str | None:
        """The right one."""
        return "t0" if secrets.verifiers and password == "right" else None  # noqa: S105 - made up


@dataclass
class Wire:
    """What a connection is told."""

    told: list[str] = field(default_factory=list)

    def set_authorized_keys(self, keys: object) -> None:
        """Each name has its own."""
        self.told.append("keys")

    def send_auth_banner(self, text: str) -> None:
        """Once."""
        self.told.append("banner")


def front() -> FrontAuth:
    """A sign-in whose wire is a list."""
    clock = MovedClock()
    made = FrontAuth(
        FrontPorts(
            People(alice="x", bobby="x"), Proofs(), LockOutBook(clock, limit=1000),
            FoldedEvents(clock, lambda _: None), Tokens(), clock.wall_us, banner="hello",  # type: ignore[arg-type] # compares only
        ),
        "192.0.2.1",
    )  # fmt: skip
    made._connection = Wire()  # type: ignore[assignment] # what a sign-in uses of it
    return made


STEPS = st.one_of(
    st.tuples(st.just("name"), st.sampled_from(NAMES)),
    st.tuples(st.sampled_from(["signed", "asked", "token", "wrong token", "code", "wrong code", "nothing"]), st.just("")),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_only_whole_proofs_let_in(steps: list[tuple[str, str]]) -> None:
    """Whatever is tried in whatever order: a first proof under this very name, then its code."""
    auth, name, first, inside = front(), "", False, False
    for step, new in steps:
        if step == "name":
            name, first = new, False
            assert auth.begin_auth(name) is True
            continue
        if not name:
            continue
        who = name.partition("+")[0]
        real = who in ("alice", "bobby") and name != "A+b"
        accepted = _try(auth, name, step)
        proves = step in ("signed", "token") and real and not first
        if proves and who == "bobby":
            inside = True
        elif proves:
            first = True
            assert accepted is False
        elif first and step == "code":
            inside = True
        if inside:
            assert accepted is True
            assert auth.introduced is not None
            assert auth.introduced.principal.name == who
            assert bool(auth.introduced.mfa_at) is (who == "alice")
            return
        assert auth.introduced is None
        assert auth.methods() == (SECOND_METHODS if first else FIRST_METHODS)
    assert auth.introduced is None


def _try(auth: FrontAuth, name: str, step: str) -> bool | None:
    """What the seam does for one attempt, and what it is told in the end; methods are obeyed."""
    offered = auth.methods()
    if step in ("signed", "asked") and "publickey" in offered:
        auth.proving()
        known = auth._ports.proofs.known_key(auth._principal_name(), b"k") and auth._login is not None
        if known and step == "signed":
            auth.key_proven(name, b"k")
            return auth.proof_accepted(name)
        return None
    if step in ("token", "wrong token") and "password" in offered:
        auth.proving()
        given = "right" if step == "token" else "wrong"
        right = asyncio.run(auth.validate_password(name, given))
        return auth.proof_accepted(name) if right else None
    if step in ("code", "wrong code") and "keyboard-interactive" in offered:
        given = "right" if step == "code" else "wrong"
        right = auth.validate_kbdint_response(name, [given])
        return auth.proof_accepted(name) if right else None
    # an attempt at what is not offered, or a success that nothing proved
    return auth.proof_accepted(name)


def test_another_name_in_the_middle_of_a_check_gets_nothing() -> None:
    """A token that is being checked for one name when the next begins proves neither."""
    auth = front()

    class Slow(Tokens):
        async def matching(self, secrets: ScramSecrets, password: str) -> str | None:
            auth.begin_auth("nobod")
            return await super().matching(secrets, password)

    object.__setattr__(auth._ports, "tokens", Slow())
    auth.begin_auth("bobby")
    assert asyncio.run(auth.validate_password("bobby", "right")) is False
    assert auth.proof_accepted("nobod") is None
    assert auth.proof_accepted("bobby") is None
    assert auth.introduced is None


def test_the_banner_is_said_once() -> None:
    """Names may change; what is said before them does not come again."""
    auth = front()
    for name in NAMES:
        auth.begin_auth(name)
    assert auth._connection.told.count("banner") == 1  # type: ignore[union-attr] # the wire above
    assert auth._connection.told.count("keys") == len(NAMES)  # type: ignore[union-attr] # the wire above
