"""The whole error tree, sorted by who must act.

Each error carries a public sentence (may reach the client) and a private cause
(diagnostics only). Wire codes are mapped in the protocol rooms, not here.
"""

from __future__ import annotations

from gatekeep.messages import WireMessage


class GatekeepError(Exception):
    """Base of all errors of gatekeep.

    `public` is a sentence that may be shown to anybody; `cause` is for
    diagnostics and never leaves the gateway; `answer` is the whole message for a
    Postgres client, where the fault has one of its own.
    """

    def __init__(
        self, public: str, *, cause: str = "", answer: WireMessage | None = None
    ) -> None:
        super().__init__(public)
        self.public = public
        self.cause = cause
        self.answer = answer


class SettingsError(GatekeepError):
    """The platform owner must act: a file, a key, or a policy is wrong.

    `file` and `key` say where, `fix` says what to do; `also` holds what else is wrong in the
    same file, so that one run of `gatekeep check` shows all of it.
    """

    def __init__(
        self,
        public: str,
        *,
        file: str = "",
        key: str = "",
        fix: str = "",
        also: tuple[SettingsError, ...] = (),
    ) -> None:
        where = f"{file}: {key}: " if file and key else f"{file or key}: " if file or key else ""
        super().__init__(where + public)
        self.file = file
        self.key = key
        self.fix = fix
        self.also = also


class ClientFault(GatekeepError):  # noqa: N818 - a fault, and whose
    """The client broke the protocol or asked for what is not offered."""


class TargetFault(GatekeepError):  # noqa: N818 - a fault, and whose
    """The target broke the protocol, refused us, or does not answer."""


class NotPermitted(GatekeepError):  # noqa: N818 - reads as the answer it is
    """A principal may not do this, or could not be recognised."""


class JournalUnavailable(GatekeepError):  # noqa: N818 - a state of the journal, not a mistake
    """Nothing can be recorded, so nothing may be forwarded.

    `fatal` is true when the journal is dead (fsync or write error): the process must exit 74.
    """

    def __init__(self, public: str, *, cause: str = "", fatal: bool = False) -> None:
        super().__init__(public, cause=cause)
        self.fatal = fatal


class LoopUnavailable(GatekeepError):  # noqa: N818 - a state of the feedback loop, not a mistake
    """The loop cannot say what it was asked; nothing was changed, and a later run may be luckier."""


class NothingRead(LoopUnavailable):
    """The loop has read nothing of the journal yet, or has lost what it had read."""


class EvidenceBroken(GatekeepError):  # noqa: N818 - a finding about files
    """Stored evidence is damaged or was changed; the files are kept as they are."""
