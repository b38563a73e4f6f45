"""The register of live sessions, and ending them."""

from __future__ import annotations

from support import builders
from support.fake_journal import FakeStream

from gatekeep.gate.supervision import LiveSession, Supervision


def live(register: Supervision, ended: list[str], session_id: str, name: str) -> None:
    """Register a session that notes why it was ended."""
    session = builders.session(id=session_id, principal=builders.principal(name))
    register.register(LiveSession(session, FakeStream(session_id), 0, ended.append))


def test_ending_one_session_reaches_only_that_one() -> None:
    """`end` asks that session's proxy, and says whether there was one."""
    register, ended = Supervision(), []
    live(register, ended, "aa" * 16, "alice")
    live(register, ended, "bb" * 16, "bob")
    assert register.end("aa" * 16, "suspected leak")
    assert not register.end("cc" * 16, "nobody")
    assert ended == ["suspected leak"]


def test_all_sessions_of_a_principal_end_together() -> None:
    """A revoked principal's sessions end, others stay."""
    register, ended = Supervision(), []
    for session_id, name in (("aa" * 16, "alice"), ("ab" * 16, "alice"), ("bb" * 16, "bob")):
        live(register, ended, session_id, name)
    def is_alice(one: LiveSession) -> bool:
        return one.session.principal.name == "alice"

    assert register.end_where(is_alice, "revoked") == 2
    register.forget("aa" * 16)
    assert len(register) == 2
    assert register.end_all("restart") == 2
