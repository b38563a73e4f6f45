"""Who may open a session where, and what a refusal gives away."""

from __future__ import annotations

from collections.abc import Sequence

from support import builders

from gatekeep.domain.decisions import Verdict
from gatekeep.domain.sessions import Session
from gatekeep.domain.targets import Target, TargetKind
from gatekeep.gate.admission import Admission, Admitted, Asked
from gatekeep.gate.ports import Judgement
from gatekeep.messages import WireMessage


class Book:
    """Three targets, one of them not Postgres."""

    def __init__(self) -> None:
        self._targets = {
            "orders": builders.target("orders"),
            "orders-prod": builders.target("orders-prod"),
            "web-1": builders.target("web-1", kind=TargetKind.SSH),
        }

    def target(self, name: str) -> Target | None:
        """By alias."""
        return self._targets.get(name)

    def targets(self) -> Sequence[Target]:
        """All."""
        return list(self._targets.values())

    def secret(self, reference: str) -> str:
        """Never asked here."""
        raise AssertionError(reference)


class Opens:
    """A policy that lets sessions open for the pairs given."""

    version = "abcdef012345"

    def __init__(self, *pairs: tuple[str, str]) -> None:
        self._pairs = set(pairs)

    def may_open(self, session: Session) -> Judgement:
        """Allow exactly the pairs."""
        pair = (session.target.name, session.account)
        return builders.judgement(Verdict.ALLOW if pair in self._pairs else Verdict.DENY)


def admit(policy: Opens, target: str = "orders", account: str = "") -> Admitted | WireMessage:
    """Ask as alice."""
    asked = Asked(builders.principal(), target, account, "", "127.0.0.1", "psql", "postgres")
    return Admission(Book(), policy).admit(asked, builders.SESSION_ID)


def test_the_only_permitted_account_is_taken_when_none_is_named() -> None:
    """One permitted account needs no name."""
    admitted = admit(Opens(("orders", "app_ro")))
    assert isinstance(admitted, Admitted)
    assert admitted.session.account == "app_ro"
    assert admitted.session.database == "shop"


def test_several_accounts_are_listed_and_only_the_permitted_ones() -> None:
    """The refusal names what he may use, and how to say it."""
    refusal = admit(Opens(("orders", "app_ro"), ("orders", "app_rw")))
    assert isinstance(refusal, WireMessage)
    assert refusal.sqlstate == "42704"
    assert refusal.primary == "gatekeep: name an account: app_ro, app_rw"
    assert refusal.hint == "user=alice+app_ro"


def test_a_forbidden_target_and_a_missing_one_read_alike() -> None:
    """Nobody learns from the refusal whether a target exists."""
    policy = Opens(("orders", "app_ro"))
    forbidden = admit(policy, "orders-prod")
    missing = admit(policy, "orders-prid")
    assert isinstance(forbidden, WireMessage)
    assert isinstance(missing, WireMessage)
    assert forbidden.primary.replace("prod", "prid") == missing.primary
    assert forbidden.detail == missing.detail == "Near: orders."


def test_an_ssh_target_is_not_reached_through_the_postgres_door() -> None:
    """A name of another kind is no target here."""
    refusal = admit(Opens(("web-1", "app_ro")), "web-1")
    assert isinstance(refusal, WireMessage)
    assert refusal.sqlstate == "3D000"


def test_an_account_the_target_lacks_is_refused_like_an_unknown_target() -> None:
    """A made-up account says nothing about the target."""
    refusal = admit(Opens(("orders", "app_ro")), account="root")
    assert isinstance(refusal, WireMessage)
    assert refusal.sqlstate == "3D000"
