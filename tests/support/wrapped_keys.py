"""Wrapped keys that behave, in memory: for tests that need a key ring and no database."""

from __future__ import annotations


class MemoryKeys:
    """Keeps wrapped keys as `state.db` would; `forget(person)` destroys one."""

    def __init__(self) -> None:
        self.subjects: dict[str, bytes] = {}
        self.sessions: dict[str, bytes] = {}

    def subject_key(self, person: str) -> bytes | None:
        """The wrapped key of a person."""
        return self.subjects.get(person)

    def subject_key_by_id(self, key_id: bytes) -> bytes | None:
        """The wrapped key that begins with these bytes."""
        return next((key for key in self.subjects.values() if key[:16] == key_id), None)

    def put_subject_key(self, person: str, wrapped: bytes) -> None:
        """Keep it."""
        self.subjects[person] = wrapped

    def session_key(self, session_id: str) -> bytes | None:
        """The wrapped key of a session."""
        return self.sessions.get(session_id)

    def put_session_key(self, session_id: str, wrapped: bytes) -> None:
        """Keep it."""
        self.sessions[session_id] = wrapped

    def forget(self, person: str) -> None:
        """Destroy a person's key."""
        del self.subjects[person]
