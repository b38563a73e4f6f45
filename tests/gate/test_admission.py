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


    def may_replicate(self, session: Session) -> Judgement:
        """Allow where the account is app_rw."""
        return builders.judgement(
            Verdict.ALLOW if session.account == "app_rw" else Verdict.DENY
        )


def admit(
    policy: Opens, target: str = "orders", account: str = "", *, replication: bool = False
) -> Admitted | WireMessage:
    """Ask as alice."""
    asked = Asked(
        builders.principal(), target, account, "", "127.0.0.1", "psql", "postgres", replication
    )
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


def test_a_replication_session_is_refused_by_policy_or_not_offered_yet() -> None:
    """Who may open the target may not yet copy it whole; and where he may, it is not carried yet."""
    denied = admit(Opens(("orders", "app_ro")), replication=True)
    assert isinstance(denied, WireMessage)
    assert (denied.sqlstate, denied.primary) == (
        "42501", "gatekeep: policy does not allow replication on orders",
    )  # fmt: skip
    permitted = admit(Opens(("orders", "app_rw")), replication=True)
    assert isinstance(permitted, WireMessage)
    assert (permitted.sqlstate, permitted.primary) == (
        "0A000", "gatekeep: replication is not available through this gateway yet",
    )  # fmt: skip


def test_replication_of_a_target_that_is_missing_or_forbidden_reads_alike() -> None:
    """The same words, whatever is there; backup programs name no target at all."""
    policy = Opens(("orders", "app_ro"))
    told = [admit(policy, name, replication=True) for name in ("orders-prod", "replication")]
    assert all(isinstance(one, WireMessage) for one in told)
    assert str(told[0]).replace("orders-prod", "replication") == str(told[1])
