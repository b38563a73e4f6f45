"""Mail over a real desk and a real SMTP server: whoever is asked, once, and the end under it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Any

import pytest
from support.approval_world import ALICE, BOB, CAROL, DELETE, ApprovalWorld
from support.mail_catcher import MailCatcher, mail_catcher
from support.polling import until

from gatekeep.domain.approvals import ApprovalRequest, RequestKind, VoteVerdict
from gatekeep.domain.identity import Mailbox
from gatekeep.gate.approval_ports import Ahead, Ballot, Emergency
from gatekeep.notify.mail import Mail, MailNeeds
from gatekeep.notify.outbound import Pace
from gatekeep.notify.smtp import Smtp, SmtpValues
from gatekeep.runtime.clock import SystemClock

SENDER = "gatekeep@gw.example"
HOSTILE = "\x1b[2J\u202e\r\nBcc: all@example.org\r\n\r\nfree text" + "z" * 9_000


class Boxes:
    """Bob reads mail in Berlin, carol in UTC, alice in Kolkata; erin has no address."""

    kept = (
        Mailbox("p-alice", "alice@example.org", "Asia/Kolkata"),
        Mailbox("p-bob", "bob@example.org", "Europe/Berlin"),
        Mailbox("p-carol", "carol@example.org"),
    )

    def of(self, persons: Collection[str]) -> Sequence[Mailbox]:
        """Those of these persons."""
        return [box for box in self.kept if box.person in persons]

    def all(self) -> Sequence[Mailbox]:
        """Everybody's."""
        return self.kept


@pytest.fixture
async def catcher() -> AsyncIterator[MailCatcher]:
    """A real SMTP server."""
    async with mail_catcher() as made:
        yield made


Mailed = Callable[..., Mail]


@pytest.fixture
async def mailed(asking: ApprovalWorld, catcher: MailCatcher) -> AsyncIterator[Mailed]:
    """Mail of a real desk."""
    made: list[Mail] = []

    def mail(**how: Any) -> Mail:
        pace = how.pop("pace", Pace(first_s=0.002, longest_s=0.005))
        made.append(
            Mail(
                MailNeeds(
                    asking.desk, Boxes(), Smtp(SmtpValues("127.0.0.1", catcher.port, "off"), "gw"),
                    SENDER, how.pop("withheld", lambda _target: False),
                    lambda name: f"https://gw.example/r/{name}", SystemClock(),
                    asking.clock.wall_us, pace,
                )
            )
        )  # fmt: skip
        return made[-1]

    yield mail
    for one in made:
        await one.close()


async def vote(asking: ApprovalWorld, request: ApprovalRequest, *, deny: str = "") -> None:
    """Bob's word."""
    verdict = VoteVerdict.DENY if deny else VoteVerdict.APPROVE
    ballot = Ballot(verdict, request.digest, "web", reason=deny or "agreed", mfa=True)
    assert (await asking.desk.cast(request.id, BOB, ballot)).counted


def sent_to(catcher: MailCatcher) -> list[str]:
    """To whom, in order."""
    return [recipient for _, recipient, _ in catcher.envelopes]


async def arrived(catcher: MailCatcher, count: int) -> None:
    """So many are there."""
    await until(lambda: len(catcher.mails) >= count, f"{count} mails")


async def test_who_is_asked_gets_one_mail_in_his_own_time(
    asking: ApprovalWorld, catcher: MailCatcher, mailed: Mailed
) -> None:
    """One for each person, to him alone; later changes are no news until the end."""
    mailed()
    request = await asking.held(risk="high", sight={})
    await asking.parts.desk.see(request.id, {"rows": 5})
    await arrived(catcher, 2)
    assert sent_to(catcher) == ["bob@example.org", "carol@example.org"]
    first = catcher.mails[0]
    assert first["Subject"] == f"[gatekeep] {request.id} waiting: DELETE on orders-prod (high)"
    assert (first["To"], first["From"], first["Cc"], first["Bcc"]) == (
        "bob@example.org", SENDER, None, None,
    )  # fmt: skip
    assert first["Auto-Submitted"] == "auto-generated"
    assert f"    {DELETE}\n" in catcher.text(0)
    assert f"https://gw.example/r/{request.id}\n" in catcher.text(0)
    assert " CET, " in catcher.text(0) or " CEST, " in catcher.text(0)
    assert " UTC, " in catcher.text(1)
    assert first.get_content_type() == "text/plain"


async def test_the_end_threads_under_the_question(
    asking: ApprovalWorld, catcher: MailCatcher, mailed: Mailed
) -> None:
    """By its headers and its subject, for each reader."""
    mailed()
    request = await asking.held()
    await arrived(catcher, 2)
    await vote(asking, request)
    await arrived(catcher, 4)
    for question, answer in ((0, 2), (1, 3)):
        first, last = catcher.mails[question], catcher.mails[answer]
        assert last["Subject"] == f"Re: {first['Subject']}"
        assert last["References"] == last["In-Reply-To"] == first["Message-ID"]
        assert last["Message-ID"] != first["Message-ID"]
        assert first["Message-ID"].endswith("@gw.example>")
        assert catcher.text(answer).startswith(f"p-bob approved {request.id} at ")
        assert ': "agreed"\n' in catcher.text(answer)


@pytest.mark.parametrize("how", ["denied", "expired", "withdrawn"])
async def test_every_end_is_told(
    asking: ApprovalWorld, catcher: MailCatcher, mailed: Mailed, how: str
) -> None:
    """A no, silence, and a requester who left."""
    mailed()
    request = await asking.held()
    await arrived(catcher, 2)
    if how == "denied":
        await vote(asking, request, deny="on the replica first")
    elif how == "expired":
        asking.clock.pass_s(901)
        await asking.parts.tick()
    else:
        await asking.parts.desk.withdraw_held(request.id, "client left")
    await arrived(catcher, 4)
    words = {
        "denied": f"p-bob denied {request.id} at ",
        "expired": f"Nobody answered {request.id} in time.",
        "withdrawn": f"{request.id} was withdrawn at ",
    }
    assert catcher.text().startswith(words[how])


async def test_only_who_is_on_call_is_written_to_and_others_when_it_goes_to_them(
    asking: ApprovalWorld, catcher: MailCatcher, mailed: Mailed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each at most once, whatever goes to whom."""
    asked = [["p-carol"]]
    monkeypatch.setattr(asking.desk, "asked_now", lambda _request: asked[-1])
    mail = mailed()
    request = await asking.held()
    await arrived(catcher, 1)
    asked.append(["p-bob", "p-carol"])
    mail.heard("escalated", request)
    mail.heard("escalated", request)
    await arrived(catcher, 2)
    await vote(asking, request)
    await arrived(catcher, 4)
    assert sent_to(catcher) == [
        "carol@example.org", "bob@example.org", "carol@example.org", "bob@example.org",
    ]  # fmt: skip


async def test_what_is_over_before_it_went_out_is_not_mailed(
    asking: ApprovalWorld, catcher: MailCatcher, mailed: Mailed
) -> None:
    """The server was down meanwhile: neither a stale question nor an answer to nothing."""
    mail = mailed(pace=Pace(first_s=0.2, longest_s=0.2))
    catcher.refusals = ["451 later"] * 2
    request = await asking.held()
    await until(lambda: not catcher.refusals, "both were refused")
    await vote(asking, request)
    await until(lambda: len(mail.lane) == 0, "nothing waits")
    assert catcher.mails == []


async def test_a_server_that_hangs_delays_nobody(
    asking: ApprovalWorld, mailed: Mailed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the connection and says nothing for all of a request's life."""
    taken = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    mail = mailed()
    smtp = Smtp(SmtpValues("127.0.0.1", port, "off"), "gw")
    monkeypatch.setattr(mail._needs.post, "send", smtp.send)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    request = await asking.held()
    await taken.wait()
    await vote(asking, request)
    assert loop.time() - begun < 5
    assert (await asking.desk.request(request.id)).state.value == "approved"  # type: ignore[union-attr]  # it is there
    await mail.close()
    server.close()
    await server.wait_closed()


async def test_secrets_and_texts_of_discreet_targets_are_in_no_mail(
    asking: ApprovalWorld, catcher: MailCatcher, mailed: Mailed
) -> None:
    """What is mailed cannot be erased: then the mail says where to read it."""
    mailed(withheld=lambda target: target == "orders-prod")
    await asking.held("ALTER ROLE app PASSWORD $1", redacted=True)
    await arrived(catcher, 2)
    await asking.held("DELETE FROM patients")
    await arrived(catcher, 4)
    for number in range(4):
        assert "ALTER ROLE" not in str(catcher.mails[number])
        assert "patients" not in str(catcher.mails[number])
        assert "1 line, read them here: https://gw.example/r/" in catcher.text(number)


async def test_a_reason_makes_no_header_and_no_line(
    asking: ApprovalWorld, catcher: MailCatcher, mailed: Mailed
) -> None:
    """Nor does a verb, whatever it holds; the envelope is ours alone."""
    mailed()
    request = await asking.held("DEL\r\nBcc:\u00a0all@example.org FROM t")
    await arrived(catcher, 2)
    await vote(asking, request, deny=HOSTILE)
    await arrived(catcher, 4)
    allowed = {
        "From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References",
        "Auto-Submitted", "X-Auto-Response-Suppress", "Content-Type",
        "Content-Transfer-Encoding", "MIME-Version",
    }  # fmt: skip
    for number, mail in enumerate(catcher.mails):
        assert set(mail.keys()) <= allowed
        assert not set(mail["Subject"]) & set("\r\n\x1b")
        assert not any(set(line) & set("\r\x1b\u202e") for line in catcher.text(number).split("\n"))
    assert set(sent_to(catcher)) == {"bob@example.org", "carol@example.org"}


async def test_who_asked_ahead_of_time_is_told_what_came_of_it(
    asking: ApprovalWorld, catcher: MailCatcher, mailed: Mailed
) -> None:
    """He waits at no terminal; the mail is his own, in his own time."""
    mailed()
    ahead = Ahead(RequestKind.STATEMENT, "orders", "app", text=DELETE, reason="tonight")
    request = await asking.desk.ask_ahead(ALICE, ahead)
    await arrived(catcher, 2)
    await vote(asking, request)
    await arrived(catcher, 5)
    assert sorted(sent_to(catcher)[2:]) == [
        "alice@example.org", "bob@example.org", "carol@example.org",
    ]  # fmt: skip
    own = next(mail for mail in catcher.mails if mail["To"] == "alice@example.org")
    assert own["Subject"] == f"[gatekeep] {request.id} approved: DELETE on orders"
    assert own["References"] is None
    assert " IST, " in own.get_content()


async def test_after_a_restart_the_end_still_threads(
    asking: ApprovalWorld, catcher: MailCatcher, mailed: Mailed
) -> None:
    """Another process tells it, under the very same mail."""
    before = mailed()
    ahead = Ahead(RequestKind.ACCESS, "orders", "app", reason="tonight")
    request = await asking.desk.ask_ahead(ALICE, ahead)
    await arrived(catcher, 2)
    asking.parts.desk._listeners.clear()
    await before.close()
    mailed()
    await vote(asking, request, deny="not tonight")
    await arrived(catcher, 5)
    assert catcher.mails[2]["References"] == catcher.mails[0]["Message-ID"]
    assert "asks access to orders as app" in catcher.text(0)


async def test_breaking_the_glass_is_mailed_to_everybody(
    asking: ApprovalWorld, catcher: MailCatcher, mailed: Mailed
) -> None:
    """Who may read it or not asked nobody."""
    mailed()
    await asking.desk.break_glass(ALICE, Emergency("orders", "app", "the shop is down", mfa=True))
    await arrived(catcher, 3)
    assert sent_to(catcher) == ["alice@example.org", "bob@example.org", "carol@example.org"]
    assert catcher.mails[0]["Subject"] == "[gatekeep] alice broke the glass on orders"
    assert '"the shop is down"' in catcher.text(0)


async def test_a_vote_that_does_not_decide_is_no_mail(
    asking: ApprovalWorld, catcher: MailCatcher, mailed: Mailed
) -> None:
    """Of two that are needed, the first is shown on the page only."""
    mailed()
    request = await asking.held(approvers=(("dba:2",),))
    await arrived(catcher, 2)
    await vote(asking, request)
    ballot = Ballot(VoteVerdict.APPROVE, request.digest, "web")
    await asking.desk.cast(request.id, CAROL, ballot)
    await arrived(catcher, 4)
    assert catcher.text().startswith(f"p-bob and p-carol approved {request.id} at ")
    assert len(catcher.mails) == 4
