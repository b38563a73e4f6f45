"""Handing mails in: over TLS that is verified, and a failure says whether another try helps."""

from __future__ import annotations

import ssl
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from support.certificates import Authority
from support.mail_catcher import MailCatcher, mail_catcher

from gatekeep.errors import SettingsError
from gatekeep.notify.outbound import Tried
from gatekeep.notify.smtp import Smtp, SmtpValues

FROM, TO = "gatekeep@example.org", "bob@example.org"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A CA that the tests trust."""
    return Authority(tmp_path)


def context(authority: Authority, name: str = "localhost") -> ssl.SSLContext:
    """What a server of this name shows."""
    files = authority.issue(name, hosts=(name,))
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(files.certificate, files.key)
    return made


def mail() -> EmailMessage:
    """A mail."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = FROM, TO, "K3F9"
    made.set_content("read this\n")
    return made


async def sent(catcher: MailCatcher, **how: Any) -> Tried:
    """Hand one in."""
    values = {"relay": "localhost", "port": catcher.port, "tls": "off", **how}
    return await Smtp(SmtpValues(**values), "example.org").send(mail(), FROM, TO)


async def test_a_mail_arrives_as_it_was_made() -> None:
    """In clear, on this machine."""
    async with mail_catcher() as catcher:
        assert await sent(catcher) == Tried()
        assert catcher.envelopes == [(FROM, TO, False)]
        assert catcher.text() == "read this\n"


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_over_tls(authority: Authority, tls: str) -> None:
    """From a connection in clear, or from its beginning."""
    shown = context(authority)
    async with mail_catcher(context=shown, from_the_beginning=tls == "tls") as catcher:
        assert await sent(catcher, tls=tls, ca=authority.certificate) == Tried()
        assert catcher.envelopes[0][2]


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_certificates_are_verified(authority: Authority, tmp_path: Path, tls: str) -> None:
    """Neither a stranger's CA nor another name is trusted; nothing was handed in."""
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    for signed_by, name in ((other, "localhost"), (authority, "elsewhere.example")):
        shown = context(signed_by, name)
        async with mail_catcher(context=shown, from_the_beginning=tls == "tls") as catcher:
            tried = await sent(catcher, tls=tls, ca=authority.certificate)
            assert (tried.again, catcher.mails) == (True, [])
            assert tried.fault


async def test_starttls_cannot_be_talked_out_of_it(authority: Authority) -> None:
    """A server, or somebody in between, that does not offer it gets neither mail nor password."""
    async with mail_catcher(sign_in=True) as catcher:
        tried = await sent(
            catcher, tls="starttls", ca=authority.certificate, login="gatekeep",
            password=lambda: catcher.password,
        )  # fmt: skip
        assert (tried.again, catcher.mails, catcher.logins) == (True, [], [])


async def test_signing_in(authority: Authority) -> None:
    """The password is read when it is needed; a wrong one may be put right, so it is tried again."""
    async with mail_catcher(context=context(authority), sign_in=True) as catcher:
        given = ["wrong", catcher.password]
        how = {
            "tls": "starttls", "ca": authority.certificate, "login": "gatekeep",
            "password": lambda: given.pop(0),
        }  # fmt: skip
        assert await sent(catcher, **how) == Tried("answered 535", again=True)
        assert await sent(catcher, **how) == Tried()
        assert {*catcher.logins} == {("gatekeep", "wrong"), ("gatekeep", catcher.password)}


async def test_a_password_that_cannot_be_read_is_tried_again() -> None:
    """Without a word to the server."""

    def unreadable() -> str:
        raise SettingsError("cannot be read")

    async with mail_catcher() as catcher:
        tried = await sent(catcher, login="gatekeep", password=unreadable)
        assert (tried, catcher.mails) == (Tried("its password cannot be read", again=True), [])


@pytest.mark.parametrize(
    ("answer", "again"),
    [("451 later", True), ("421 going", True), ("554 no", False), ("550 nobody", False)],
)
async def test_what_an_answer_means(answer: str, again: bool) -> None:
    """4xx is for now, 5xx is for good; the server's own text is not told."""
    async with mail_catcher() as catcher:
        catcher.refusals = [answer]
        assert await sent(catcher) == Tried(f"answered {answer[:3]}", again=again)


async def test_nobody_there_is_tried_again() -> None:
    """However long it lasts."""
    async with mail_catcher() as catcher:
        port = catcher.port
    tried = await Smtp(SmtpValues("localhost", port, "off"), "example.org").send(mail(), FROM, TO)
    assert tried.again
    assert "localhost" not in tried.fault
