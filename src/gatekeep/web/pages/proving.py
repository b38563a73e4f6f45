"""Proves who sits at a browser: password and code, counted against guessing. Makes no page.

Whatever is wrong, the answer and the work are the same, so that nobody learns who there is.
"""

from __future__ import annotations

import enum
from typing import Final

from gatekeep.domain.events import EventKind
from gatekeep.domain.identity import Principal
from gatekeep.web.pages.needs import PageNeeds
from gatekeep.web.pages.visits import Visit
from gatekeep.web.second_step import SECOND_STEP

MAX_NAME: Final = 63
MAX_PASSWORD: Final = 1024
MAX_CODE: Final = 16


class Proof(enum.Enum):
    """What came of it. BUSY: nothing was looked at."""

    GOOD = 1
    REFUSED = 2
    BUSY = 3
    NO_CODES = 4


async def signed_in(visit: Visit) -> Principal | Proof:
    """The principal whom the form of a sign-in proves; REFUSED or BUSY."""
    name = visit.given("name", MAX_NAME).strip()
    sign_in = visit.needs.sign_in
    if sign_in.passwords.busy:
        return Proof.BUSY
    fits = await _password_fits(visit, name)
    principal = visit.needs.directory.principal(name)
    if not fits or principal is None:
        return Proof.REFUSED
    if sign_in.proofs.needs_code(name) and not _code_fits(visit, name):
        return Proof.REFUSED
    sign_in.lock_outs.succeeded(name, visit.source)
    return principal


async def stepped_up(visit: Visit) -> Proof:
    """Whether who is signed in has shown that it is still him: a password of late, and a code.

    NO_CODES: he has nothing that makes codes.
    """
    sign_in, name = visit.needs.sign_in, visit.principal.name
    browser = visit.browser
    if browser is None or not sign_in.proofs.needs_code(name):
        return Proof.NO_CODES
    if not visit.browsers.is_fresh(browser):
        if sign_in.passwords.busy:
            return Proof.BUSY
        if not await _password_fits(visit, name):
            return Proof.REFUSED
        visit.browsers.prove(browser)
    return Proof.GOOD if _code_fits(visit, name) else Proof.REFUSED


async def _password_fits(visit: Visit, name: str) -> bool:
    """Whether the form's password is that of the name, if it may be tried from there."""
    sign_in = visit.needs.sign_in
    fits = await sign_in.passwords.matches(name, visit.given("password", MAX_PASSWORD))
    if sign_in.lock_outs.locked(name, visit.source):
        _failed(visit.needs, visit.source, name, "locked")
        return False
    if not fits:
        _count(visit, name, visit.source, "wrong password")
    return fits


def _code_fits(visit: Visit, name: str) -> bool:
    """Whether the form's code counts; it is used up."""
    sign_in = visit.needs.sign_in
    if sign_in.lock_outs.locked(name, SECOND_STEP):
        _failed(visit.needs, visit.source, name, "locked")
        return False
    if sign_in.proofs.accept_code(name, visit.given("code", MAX_CODE)):
        sign_in.lock_outs.succeeded(name, SECOND_STEP)
        return True
    _count(visit, name, SECOND_STEP, "wrong code")
    return False


def _count(visit: Visit, name: str, where: str, cause: str) -> None:
    if visit.needs.sign_in.lock_outs.failed(name, where):
        strangers = visit.needs.sign_in.strangers
        strangers.note(EventKind.AUTH_LOCKED, visit.source, "too many failures", name)
    _failed(visit.needs, visit.source, name, cause)


def _failed(needs: PageNeeds, source: str, name: str, cause: str) -> None:
    needs.sign_in.strangers.note(EventKind.AUTH_FAILED, source, cause, name)
