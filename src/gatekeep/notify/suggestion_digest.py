"""Tells people in Slack once a week what the loop proposes, and what became of what they accepted.

When that is, says whoever calls. Neither rules nor evidence are in it: it goes to a channel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from gatekeep.domain.suggestions import WEEK_US, SuggestionLife, SuggestionState
from gatekeep.messages import printable
from gatekeep.messages import slack as slack_words
from gatekeep.messages import suggestions as words
from gatekeep.notify import slack_blocks as blocks
from gatekeep.notify.slack_telling import SlackTelling

MOST: Final = 5
"""How many suggestions it names; the link leads to the rest."""
_MOST_ENDED: Final = 20
_LINE: Final = 300
_ENDED: Final = frozenset({SuggestionState.REVERTED, SuggestionState.VERIFIED})


class SuggestionDigest:
    """Implements feedback.ports.WeeklyDigest. `channel` is where it goes; empty: nowhere.

    `console()` is what links begin with, empty where there is no console.
    """

    def __init__(
        self, channel: str, console: Callable[[], str], telling: SlackTelling
    ) -> None:
        self._channel = channel
        self._console = console
        self._telling = telling

    async def tell(self, lives: Sequence[SuggestionLife], now_us: int) -> bool:
        """Let the digest be said, and each acceptor hear what became of his; false for nothing to say."""
        proposed, ended = proposed_of(lives), ended_of(lives, now_us)
        week = now_us // WEEK_US
        for life in ended:
            await self._tell_acceptors(life, week)
        muted = [one for one in lives if one.muting and now_us < one.expires_us]
        if not self._channel or not (proposed or ended or muted):
            return False
        waiting = sum(one.state is SuggestionState.PROPOSED for one in lives)
        body = self._body(proposed, waiting, ended, muted)
        return self._telling.post(self._channel, f"suggestions {week}", body)

    async def _tell_acceptors(self, life: SuggestionLife, week: int) -> None:
        said = _ended_line(life)
        shown = slack_words.plain(f"{life.suggestion.id} {words.state_word(life.state.value)}")
        for principal in sorted({one.principal for one in life.accepted_by}):
            link = await self._telling.link_of(principal)
            if link is not None:
                key = f"suggestion {life.suggestion.id} {week}"
                self._telling.direct(link.account, key, said, shown)

    def _body(
        self,
        proposed: Sequence[SuggestionLife],
        waiting: int,
        ended: Sequence[SuggestionLife],
        muted: Sequence[SuggestionLife],
    ) -> dict[str, Any]:
        title = words.digest_title(waiting)
        found: list[blocks.Block] = [{"type": "header", "text": blocks.plain_text(title)}]
        if proposed:
            found.append(_part(words.digest_heading(len(proposed), waiting), map(_proposed_line, proposed)))
        if ended:
            found.append(_part(words.DIGEST_ENDED, map(_ended_line, ended)))
        if muted:
            found.append(_part(words.DIGEST_MUTED, map(_muted_line, muted[:_MOST_ENDED])))
        console = self._console()
        if console:
            label = slack_words.OPEN
            found.append(blocks.actions(blocks.button(blocks.OPEN_ID, label, url=f"{console}/suggestions")))
        return {"text": slack_words.plain(title), "blocks": found, **blocks.QUIET}


def proposed_of(lives: Sequence[SuggestionLife]) -> list[SuggestionLife]:
    """What is proposed, the most saving first, at most MOST."""
    found = [one for one in lives if one.state is SuggestionState.PROPOSED]
    found.sort(key=lambda one: (-one.suggestion.saves_per_week, -one.suggestion.score, one.suggestion.id))
    return found[:MOST]


def ended_of(lives: Sequence[SuggestionLife], now_us: int) -> list[SuggestionLife]:
    """What was taken back or verified in the week before, the newest first."""
    found = [one for one in lives if one.state in _ENDED and now_us - WEEK_US < one.since_us <= now_us]
    return sorted(found, key=lambda one: -one.since_us)[:_MOST_ENDED]


def _part(heading: str, said: Iterable[str]) -> blocks.Block:
    """A heading, then a line each."""
    return blocks.rich(*(blocks.line(blocks.text(f"{line}\n")) for line in (heading, *said)))


def _proposed_line(life: SuggestionLife) -> str:
    one = life.suggestion
    saved = words.saving(one.saves_per_week, one.wait_s_per_week)
    return words.digest_proposed(one.id, printable(one.title, _LINE), saved)


def _muted_line(life: SuggestionLife) -> str:
    one = life.suggestion
    rules = [rule.id for rule in one.sources]
    return words.digest_muted(one.id, rules, life.effect.hits, life.expires_us)


def _ended_line(life: SuggestionLife) -> str:
    one, reason = life.suggestion, printable(life.reason, _LINE)
    return words.digest_ended(one.id, printable(one.title, _LINE), life.state.value, reason)
