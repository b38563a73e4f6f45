"""Ties a Slack account to a principal: begun in the console, finished there by a code that Slack shows.

Two secrets go opposite ways: a word that only the principal's page shows is sent by the Slack account,
and a code that only this account is shown is typed by the principal. Neither alone links anything.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import orjson

from gatekeep.domain.approvals import ID_ALPHABET
from gatekeep.domain.chat import ChatLink
from gatekeep.domain.events import EventKind
from gatekeep.domain.identity import Principal
from gatekeep.errors import NotPermitted
from gatekeep.gate.approval_ports import Told
from gatekeep.gate.ports import Directory
from gatekeep.messages import slack_links as words
from gatekeep.notify.slack_api import Answer, SlackApi
from gatekeep.notify.slack_record import SlackRecord
from gatekeep.notify.slack_telling import SlackTelling

OPEN_S: Final = 600
YOUNG_S: Final = 86_400
"""How long a new link decides nothing of high risk."""
WORD_DIGITS: Final = 6
CODE_DIGITS: Final = 8
MOST_WRONG: Final = 5
MOST_WORDS: Final = 10
_REMEMBERED: Final = 10_000
_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Invitation:
    """What somebody does in Slack to go on. `ends_us` is microseconds UTC."""

    workspace: str
    instruction: str
    ends_us: int


@dataclass(slots=True)
class _Begun:
    """A linking that waits for its end. `code` is empty until an account has sent the word."""

    principal: str
    word: str
    ends_us: int
    code: str = ""
    link: ChatLink | None = None
    wrong: int = 0


@dataclass(frozen=True, slots=True)
class LinkNeeds:
    """`now_us` never lets a stepped clock lengthen anything; `draw(n)` gives random bytes."""

    record: SlackRecord
    api: SlackApi
    telling: SlackTelling
    directory: Directory
    team: str
    now_us: Callable[[], int]
    draw: Callable[[int], bytes]


class SlackLinks:
    """The links of one workspace. What is begun and not finished is forgotten at a restart."""

    def __init__(self, needs: LinkNeeds) -> None:
        self._needs = needs
        self._begun: dict[str, _Begun] = {}
        self._tries: dict[str, list[int]] = {}
        self._workspace = ""

    # for the principal

    async def linked(self, principal: Principal) -> ChatLink | None:
        """The account that is linked now."""
        return await self._needs.telling.link_of(principal.name)

    async def begin(self, principal: Principal) -> Invitation:
        """Open an invitation for ten minutes; one begun before is void. Links nothing by itself.

        Whoever calls this has just seen a second factor. Raises NotPermitted.
        """
        if principal.owner:
            raise NotPermitted(words.NO_MACHINES)
        workspace = await self._workspace_name()
        if not workspace:
            raise NotPermitted(words.NO_ANSWER)
        ends_us = self._needs.now_us() + OPEN_S * _US
        word = self._drawn(WORD_DIGITS)
        self._begun[principal.name] = _Begun(principal.name, word, ends_us)
        return Invitation(workspace, words.instruction(word), ends_us)

    async def finish(self, principal: Principal, code: str) -> ChatLink:
        """Link the account that this code was shown to; the code is used up.

        Raises NotPermitted: no such code, too late, or the account is another's now;
        JournalUnavailable, and then nothing is linked.
        """
        begun = self._open_of(principal.name)
        if begun is None or begun.link is None:
            raise NotPermitted(words.NOT_BEGUN)
        given = "".join(code.upper().split()).replace("-", "")
        if not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), begun.code.encode()):
            begun.wrong += 1
            if begun.wrong >= MOST_WRONG:
                del self._begun[principal.name]
                raise NotPermitted(words.TOO_OFTEN)
            raise NotPermitted(words.WRONG_CODE)
        del self._begun[principal.name]
        before = await self.linked(principal)
        made = replace(begun.link, linked_us=self._needs.now_us())
        if not await self._needs.record.change(
            lambda store: store.add_link(made, _told("slack.linked", made))
        ):
            raise NotPermitted(words.TAKEN)
        self._tell(made.account, words.linked(principal.name))
        if before is not None and before.account != made.account:
            self._tell(before.account, words.unlinked(principal.name))
        return replace(made, settled=True)

    async def unlink(self, principal: Principal) -> None:
        """End the link at once, and tell the account. Raises NotPermitted, JournalUnavailable."""
        before = await self._needs.record.ask(lambda store: store.link_of(principal.name))
        if before is None or not await self._needs.record.change(
            lambda store: store.remove_link(principal.name, _told("slack.unlinked", before))
        ):
            raise NotPermitted(words.NOT_LINKED)
        self._tell(before.account, words.unlinked(principal.name))

    # for Slack

    async def principal_of(self, team: str, account: str) -> tuple[Principal, ChatLink] | None:
        """Whose clicks these are; None for an account that is linked to nobody here."""
        if team != self._needs.team:
            return None
        link = await self._needs.record.ask(lambda store: store.link_of_account(team, account))
        if link is None or not link.settled:
            return None
        principal = self._needs.directory.principal(link.principal)
        return None if principal is None or principal.owner else (principal, link)

    def is_young(self, link: ChatLink) -> bool:
        """Whether it is too new to decide what is of high risk."""
        return self._needs.now_us() - link.linked_us < YOUNG_S * _US

    async def sent_word(self, account: str, word: str) -> None:
        """An account has sent the word of a page: show it a code, by direct message."""
        self._tell(account, await self._answer(account, word.strip().upper()))

    async def _answer(self, account: str, word: str) -> str:
        if self._tries_too_often(account):
            return words.TOO_MANY_WORDS
        begun = next(
            (one for name in list(self._begun) if (one := self._open_of(name)) and one.word == word),
            None,
        )
        if begun is None:
            return words.NO_SUCH_WORD
        other = await self.principal_of(self._needs.team, account)
        if other is not None and other[0].name != begun.principal:
            return words.ACCOUNT_TAKEN
        profile = await self._needs.api.call("users.info", user=account)
        name = _name_in(profile, self._needs.team)
        if not name:
            return words.NOT_A_PERSON
        begun.code, begun.wrong = self._drawn(CODE_DIGITS), 0
        begun.link = ChatLink(begun.principal, self._needs.team, account, self._workspace, name)
        half = CODE_DIGITS // 2
        shown = f"{begun.code[:half]}-{begun.code[half:]}"
        return words.code(begun.principal, shown, begun.ends_us)

    # inside

    def _open_of(self, principal: str) -> _Begun | None:
        begun = self._begun.get(principal)
        if begun is not None and self._needs.now_us() >= begun.ends_us:
            del self._begun[principal]
            return None
        return begun

    def _tries_too_often(self, account: str) -> bool:
        now = self._needs.now_us()
        recent = [at for at in self._tries.pop(account, []) if now - at < OPEN_S * _US]
        self._tries[account] = [*recent, now][-MOST_WORDS - 1 :]
        while len(self._tries) > _REMEMBERED:
            del self._tries[next(iter(self._tries))]
        return len(recent) >= MOST_WORDS

    async def _workspace_name(self) -> str:
        if not self._workspace:
            answer = await self._needs.api.call("auth.test")
            if answer.ok and answer.text("team_id") == self._needs.team:
                self._workspace = answer.text("team") or self._needs.team
        return self._workspace

    def _drawn(self, digits: int) -> str:
        """Digits that can be read aloud, each drawn evenly."""
        found = ""
        most = 256 - 256 % len(ID_ALPHABET)
        while len(found) < digits:
            found += "".join(
                ID_ALPHABET[one % len(ID_ALPHABET)] for one in self._needs.draw(digits) if one < most
            )
        return found[:digits]

    def _tell(self, account: str, said: str) -> None:
        # The same said twice while it still waits is said once: nobody is flooded by his own words.
        self._needs.telling.direct(account, f"link {said}", said, words.LOCK_SCREEN)


def _told(what: str, link: ChatLink) -> Told:
    facts = {
        "account": link.account, "display_name": link.display_name,
        "principal": link.principal, "team": link.team, "what": what, "workspace": link.workspace,
    }  # fmt: skip
    return Told(EventKind.DIRECTORY_CHANGED, orjson.dumps(facts, option=orjson.OPT_SORT_KEYS))


def _name_in(profile: Answer, team: str) -> str:
    """What people see of a person's account; empty for anything else than a person of the team."""
    found = profile.data.get("user") if profile.ok else None
    if not isinstance(found, dict) or found.get("team_id") != team:
        return ""
    if any(found.get(flag) for flag in ("deleted", "is_bot", "is_stranger", "is_app_user")):
        return ""
    return (
        profile.text("user", "profile", "display_name")
        or profile.text("user", "real_name")
        or profile.text("user", "name")
    )
