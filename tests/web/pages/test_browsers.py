"""Sign-ins in memory: bounded, and kept by what nobody can read back."""

from __future__ import annotations

from support.clock import MovedClock

from gatekeep.domain.identity import Principal
from gatekeep.runtime.clock import random_bytes
from gatekeep.web.pages.browsers import Browsers
from gatekeep.web.pages.needs import SignInLimits

CAROL = Principal("carol", "carol")


def browsers(clock: MovedClock) -> Browsers:
    """Sign-ins of people who never change."""
    return Browsers(clock.wall_us, random_bytes, lambda one: one.name, SignInLimits())


def test_one_person_has_few() -> None:
    """The seventeenth sign-in ends the first."""
    kept = browsers(MovedClock())
    ids = [kept.begin(CAROL) for _ in range(17)]
    assert kept.find(ids[0]) is None
    assert all(kept.find(one) for one in ids[1:])
    assert len(kept) == 16


def test_all_of_them_are_bounded() -> None:
    """However many people sign in, memory is bounded; the oldest goes."""
    kept = browsers(MovedClock())
    first = kept.begin(CAROL)
    for number in range(4_096):
        kept.begin(Principal(f"p{number}", f"p{number}"))
    assert len(kept) == 4_096
    assert kept.find(first) is None


def test_the_id_is_not_kept() -> None:
    """Whoever reads our memory finds no cookie in it."""
    kept = browsers(MovedClock())
    made = kept.begin(CAROL)
    assert made not in repr(vars(kept))
    assert len(made) == 64


def test_fresh_is_ten_minutes() -> None:
    """A password is believed for ten minutes, then again from when it is given anew."""
    clock = MovedClock()
    kept = browsers(clock)
    browser = kept.find(kept.begin(CAROL))
    assert browser is not None
    clock.pass_s(600)
    assert kept.is_fresh(browser)
    clock.pass_s(1)
    assert not kept.is_fresh(browser)
    kept.prove(browser)
    assert kept.is_fresh(browser)


def test_who_is_gone_cannot_begin() -> None:
    """A sign-in of nobody is a fault, not a session."""
    kept = Browsers(MovedClock().wall_us, random_bytes, lambda _one: None, SignInLimits())
    try:
        kept.begin(CAROL)
    except ValueError:
        return
    raise AssertionError("nobody is signed in")
