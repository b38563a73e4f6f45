"""Notices in Slack: each batch a message of few lines in the channel of the rule's group.

Goes through the queue of all that is said there. What finds no room is counted in the next message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from gatekeep.gate.ports import TargetBook
from gatekeep.messages import notices as words
from gatekeep.messages import slack as slack_words
from gatekeep.notify import slack_blocks as blocks
from gatekeep.notify.notice_folds import Batch, Folded
from gatekeep.notify.slack_telling import SlackTelling


class SlackNotices:
    """`channels` are those of groups, `default` is for all others; empty: they are told nowhere."""

    def __init__(
        self,
        channels: Mapping[str, str],
        default: str,
        targets: TargetBook,
        telling: SlackTelling,
    ) -> None:
        self._channels = channels
        self._default = default
        self._targets = targets
        self._telling = telling
        self._lost: Counter[str] = Counter()
        self._told = 0

    def tell(self, batch: Batch) -> None:
        """Put a batch on its way, a message a channel."""
        by_channel: dict[str, list[Folded]] = {self._default: []} if batch.left_out else {}
        for one in batch.folds:
            by_channel.setdefault(self._channel_of(one), []).append(one)
        for channel, folds in by_channel.items():
            if channel:
                self._say(channel, folds, batch.left_out if channel == self._default else 0)

    def _channel_of(self, one: Folded) -> str:
        return self._channels.get(one.newest.rule.group, "") or self._default

    def _say(self, channel: str, folds: Sequence[Folded], left_out: int) -> None:
        lost = self._lost.pop(channel, 0) + left_out
        self._told += 1
        if not self._telling.post(channel, f"notices {self._told}", self._body(folds, lost)):
            self._lost[channel] = lost + sum(one.count for one in folds)

    def _body(self, folds: Sequence[Folded], lost: int) -> dict[str, Any]:
        lines = [part for one in folds for part in self._lines(one)]
        if lost:
            lines.append(words.left_out(lost))
        title = words.title(sum(one.count for one in folds) + lost)
        shown = blocks.rich(*(blocks.line(blocks.text(f"{line}\n")) for line in lines))
        return {"text": slack_words.plain(title), "blocks": [shown], **blocks.QUIET}

    def _lines(self, one: Folded) -> Sequence[str]:
        notice = one.newest
        target = self._targets.target(notice.target)
        hidden = target is not None and target.slack_detail == "redacted"
        who = words.came_to(notice.principal, notice.target, one.counts)
        what = words.what(notice.verb, "" if hidden else notice.template)
        where = words.where(notice.session_code, notice.n, several=one.count > 1)
        return (
            f"{words.rule(notice.rule.rule, notice.rule.title)}: {who}", f"{what} · {where}"
        )  # fmt: skip
