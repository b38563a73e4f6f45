"""Every sentence that gatekeep says on the wire. Any room may import it; no other file words one.

Style is PostgreSQL's own: a lower-case primary line without a full stop; DETAIL facts and HINT
advice as sentences. Always: who can help, what was not done. Text that came from people or from
a peer passes through `printable` before it is placed in a message.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

MAX_FOREIGN_TEXT = 200
PREFIX = "gatekeep: "
TARGET_PREFIX = "target says: "

_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str, limit: int = MAX_FOREIGN_TEXT) -> str:
    """Foreign text made safe for any terminal: controls, bidi and zero-width escaped, then cut."""
    shown: list[str] = []
    length = 0
    for character in text[: limit + 1]:
        if unicodedata.category(character) in _HIDDEN_CATEGORIES:
            code = ord(character)
            piece = f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004 - one byte
        else:
            piece = character
        length += len(piece)
        if length > limit:
            return "".join(shown) + "…"
        shown.append(piece)
    return "".join(shown)


@dataclass(frozen=True, slots=True)
class WireMessage:
    """One error or notice for a Postgres client.

    `severity` is ERROR, FATAL or NOTICE; `context` holds request, rule, policy and session.
    """

    sqlstate: str
    primary: str
    detail: str = ""
    hint: str = ""
    context: str = ""
    severity: str = "ERROR"


def context_line(*, rule: str = "", policy: str = "", session: str = "", request: str = "") -> str:
    """The machine-readable CONTEXT of a message; empty parts are left out."""
    parts = (("request", request), ("rule", rule), ("policy", policy), ("session", session))
    return ", ".join(f"{name} {value}" for name, value in parts if value)


@dataclass(frozen=True, slots=True)
class RuleWords:
    """What a refusal says of the rule behind it: its id, its `@why`, its owner, and the CONTEXT."""

    rule: str
    why: str = ""
    owner: str = ""
    context: str = ""

    def sentence(self) -> str:
        """The rule as DETAIL names it."""
        if not self.rule:
            return "No rule permits it."
        shown = printable(self.why).rstrip(".")
        return f"Rule {self.rule}: {shown}." if shown else f"Rule {self.rule}."


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a message or pipeline the refused statement stands (positions count from 1)."""

    position: int = 1
    total: int = 1
    pipeline: bool = False

    def sentence(self) -> str:
        """What happened to the statements around it; empty when it stood alone."""
        if self.total <= 1:
            return ""
        if not self.pipeline:
            return (
                f" Statement {self.position} of {self.total}; "
                f"none of the {self.total} was run."
            )
        head = f" Statement {self.position} of {self.total}; it and those after it were not run"
        if self.position == 1:
            return head + "."
        before = (
            "the one before it belongs"
            if self.position == 2  # noqa: PLR2004 - the grammar of one against many
            else "those before it belong"
        )
        return f"{head}, {before} to your transaction."


ALONE = Place()


def policy_refuses(verb: str, target: str, words: RuleWords, place: Place = ALONE) -> WireMessage:
    """The policy says deny."""
    owner = f" Owner of the rule: {printable(words.owner)}." if words.owner else ""
    if verb == "COMMIT":
        owner = f" Nothing was committed; ROLLBACK is never refused.{owner}"
    return WireMessage(
        "42501",
        f"{PREFIX}policy does not allow {printable(verb)} on {target}",
        words.sentence() + place.sentence(),
        f"The statement was not sent; like any error, this one fails an open transaction.{owner} "
        f"To ask for an exception: gatekeep request new --target {target}",
        words.context,
    )


def approval_not_set_up(words: RuleWords, place: Place = ALONE) -> WireMessage:
    """The policy says ask, but nobody can be asked yet."""
    return WireMessage(
        "42501",
        f"{PREFIX}this needs approval, and approvals are not set up here",
        f"Rule {words.rule}." + place.sentence(),
        "The statement was not sent; like any error, this one fails an open transaction.",
        words.context,
    )


def cannot_record(incident: str) -> WireMessage:
    """Nothing durable can be written, so nothing is forwarded."""
    return WireMessage(
        "58030",
        f"{PREFIX}this cannot be recorded right now, so it was not run",
        f"Incident {incident}.",
        "Ask the operators of the gateway; nothing was sent.",
    )


def outcome_unknown() -> WireMessage:
    """The gateway had to end while the target worked on a statement."""
    return WireMessage(
        "08007",
        f"{PREFIX}the gateway stopped while this ran, and how it ended is not known",
        "The statement was recorded and sent.",
        "Look at the data before you repeat it.",
        severity="FATAL",
    )


def not_offered(what: str) -> WireMessage:
    """A part of the protocol that is recognised and not carried yet."""
    return WireMessage("0A000", f"{PREFIX}{what} is not available through this gateway yet")


def after_vector_change() -> WireMessage:
    """A statement whose meaning turns on settings that are not known at this moment."""
    return WireMessage(
        "0A000",
        f"{PREFIX}how this statement would be read is not known at this moment",
        "search_path, role or string syntax changed while it was judged, or cannot be looked at "
        "in a transaction that may have failed.",
        "The statement was not sent. Send it again, after a ROLLBACK if a transaction failed.",
    )


def gateway_drains() -> WireMessage:
    """The gateway stops."""
    return WireMessage(
        "57P01", f"{PREFIX}the gateway is restarting", "Nothing was sent.",
        "Connect again and repeat the statement.", severity="FATAL",
    )


def session_killed(reason: str) -> WireMessage:
    """The session was ended from outside: revoked, expired, or by an operator."""
    return WireMessage(
        "57P01", f"{PREFIX}this session was ended: {printable(reason)}", severity="FATAL"
    )


def copy_abandoned(reason: str) -> str:
    """Why a COPY FROM STDIN ends, for the target's error: its client or its session is gone."""
    return f"{PREFIX}{printable(reason)}"


def sign_in_failed() -> WireMessage:
    """Any cause: one sentence, so that nothing is learnt from it."""
    return WireMessage(
        "28P01", f"{PREFIX}sign-in refused", "",
        "Tokens: gatekeep login, or gatekeep tokens new.", severity="FATAL",
    )


def encryption_required() -> WireMessage:
    """The door demands TLS."""
    return WireMessage(
        "28000", f"{PREFIX}this door needs TLS", "", "Connect with sslmode=require.",
        severity="FATAL",
    )


def certificate_refused() -> WireMessage:
    """A verified client certificate that signs this name in nowhere."""
    return WireMessage(
        "28000", f"{PREFIX}sign-in refused", "The client certificate is not this principal's.",
        "Its common name must be the principal that the user name begins with.",
        severity="FATAL",
    )


def too_many_connections() -> WireMessage:
    """The cap of unauthenticated connections of one address."""
    return WireMessage(
        "53300", f"{PREFIX}too many connections from this address", severity="FATAL"
    )


def too_large(limit_mib: int = 16) -> WireMessage:
    """A statement that must be judged whole is too large for it."""
    return WireMessage(
        "54000", f"{PREFIX}statement over {limit_mib} MiB", "", "Load data with COPY."
    )


def client_violation(what: str) -> WireMessage:
    """The client broke the protocol; `what` says what and where, in words."""
    return WireMessage(
        "08P01", f"{PREFIX}protocol violation by the client", printable(what), severity="FATAL"
    )


def target_silent(target: str) -> WireMessage:
    """The target does not answer, or refused the gateway."""
    return WireMessage("08001", f"{PREFIX}{target} does not answer", severity="FATAL")


def target_refused(target: str, sqlstate: str, says: str) -> WireMessage:
    """The target knew the gateway and still refused the session, e.g. for want of the database."""
    return WireMessage(
        sqlstate, f"{PREFIX}{target} refused the session", TARGET_PREFIX + printable(says),
        severity="FATAL",
    )


def target_violation(target: str) -> WireMessage:
    """The target broke the protocol."""
    return WireMessage(
        "08P01", f"{PREFIX}{target} broke the protocol, the connection was closed",
        severity="FATAL",
    )


def name_an_account(accounts: list[str], principal: str) -> WireMessage:
    """Several accounts are permitted and none was named."""
    return WireMessage(
        "42704", f"{PREFIX}name an account: {', '.join(accounts)}", "",
        f"user={principal}+{accounts[0]}", severity="FATAL",
    )


def no_such_target(name: str, principal: str, near: list[str]) -> WireMessage:
    """No such target, or no right to it: the same words for both. `near`: what he may see."""
    detail = f"Near: {', '.join(near)}." if near else ""
    return WireMessage(
        "3D000", f'{PREFIX}no target "{printable(name, 63)}" for {printable(principal, 63)}',
        detail, "gatekeep targets ls shows what you may reach.", severity="FATAL",
    )


def leave_needed(target: str) -> WireMessage:
    """The policy opens sessions there only for whom somebody gave leave."""
    return WireMessage(
        "42501", f"{PREFIX}sessions on {printable(target, 63)} need somebody's leave",
        "None was given to you for this time.",
        f"Ask for it ahead of time: gatekeep request new --target {printable(target, 63)}",
        severity="FATAL",
    )


def replication_refused(target: str, words: RuleWords) -> WireMessage:
    """The policy does not let a replication session begin, or there is no such target: alike."""
    owner = f" Owner of the rule: {printable(words.owner)}." if words.owner else ""
    return WireMessage(
        "42501", f"{PREFIX}policy does not allow replication on {printable(target, 63)}",
        words.sentence(), f"It takes a rule that permits session.replicate there.{owner}",
        words.context, severity="FATAL",
    )


def bad_startup_setting(name: str, why: str) -> WireMessage:
    """A start-up parameter that is refused."""
    return WireMessage(
        "22023", f'{PREFIX}start-up setting "{printable(name, 63)}" {why}', severity="FATAL"
    )


def encoding_is_utf8(asked: str) -> WireMessage:
    """The client asked for an encoding that is answered as UTF8."""
    return WireMessage(
        "00000", f"{PREFIX}client encoding {printable(asked, 63)} is answered as UTF8",
        severity="NOTICE",
    )
