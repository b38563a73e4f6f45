"""What forty people do in ninety days, drawn: mostly reads, some questions, a few denials."""

from __future__ import annotations

import random

from support.loop_events import Ask, LoopStory, command, person, statement

from gatekeep.domain.actions import SqlAction
from gatekeep.domain.approvals import RequestState
from gatekeep.domain.commands import SshAction
from gatekeep.domain.identity import Principal
from gatekeep.domain.targets import Target, TargetKind

GROUPS = ("sre", "dba", "developers", "analysts", "support")
RULES = "\n".join(
    f'@id("{name}") permit (principal, action, resource);'
    for name in ("may-open", "may-read", "ask-first", "ask-writes", "never")
)
READS = (
    "select * from orders where id = {}",
    "select id, state, total from orders where customer_id = {} order by id desc limit 20",
    "select count(*) from orders where state = 'open' and id > {}",
    "select o.id, c.name from orders o join customers c on c.id = o.customer_id where o.id = {}",
    "select * from customers where email = 'someone-{}@example.org'",
)
WRITES = (
    "update orders set state = 'open' where id = {}",
    "update orders set note = 'called back' where id = {}",
    "delete from sessions where customer_id = {}",
)
LOOKS = (
    "uptime", "df -h", "systemctl status nginx", "journalctl -u nginx -n {}", "tail -n {} /var/log/app/app.log",
)
DOES = ("systemctl restart nginx", "systemctl restart php-fpm", "kill -9 {}", "systemctl reload haproxy")  # fmt: skip


class Month:
    """Draws what people do."""

    def __init__(self, story: LoopStory) -> None:
        self._story = story
        self._draw = random.Random(7)
        self._people = [person(f"p{at}", GROUPS[at % 5]) for at in range(40)]
        self._shops = [
            Target(f"db-{at}", TargetKind.POSTGRES, "127.0.0.1", 5432, "shop", environment="prod")
            for at in range(6)
        ]
        self._hosts = [
            Target(f"web-{at}", TargetKind.SSH, "127.0.0.1", 22, environment="prod",
                   labels=frozenset({"role=web"}))
            for at in range(10)
        ]  # fmt: skip
        self._asked = 0

    def session(self) -> None:
        """One session of about fifty actions."""
        who = self._draw.choice(self._people)
        ssh = self._draw.random() < 0.4
        target = self._draw.choice(self._hosts if ssh else self._shops)
        session = self._story.opened(who, target)
        for _ in range(self._draw.randrange(10, 90)):
            self._act(who, target, session, ssh=ssh)
        self._story.closed(session, target)

    def _act(self, who: Principal, target: Target, session: str, *, ssh: bool) -> None:
        chance = self._draw.random()
        if chance < 0.91:
            action = self._action(LOOKS if ssh else READS, ssh=ssh)
            failed = self._draw.random() < 0.02
            self._story.passes(who, target, action, session=session, failed=failed)
        elif chance < 0.99:
            self._asked += 1
            ask = Ask(
                f"{self._asked % 1_000_000:06d}", (f"p{self._draw.randrange(40)}",),
                self._draw.uniform(5, 600),
                RequestState.DENIED if self._draw.random() < 0.03 else RequestState.APPROVED,
            )  # fmt: skip
            action = self._action(DOES if ssh else WRITES, ssh=ssh)
            rule = "ask-first" if ssh else "ask-writes"
            self._story.asks(who, target, action, ask, session=session, rule=rule)
        else:
            self._story.denied(who, target, self._action(DOES if ssh else WRITES, ssh=ssh), session=session)

    def _action(self, texts: tuple[str, ...], *, ssh: bool) -> SqlAction | SshAction:
        text = self._draw.choice(texts)
        number = self._draw.randrange(60) if ssh else self._draw.randrange(1_000_000)
        if ssh:
            return command(text.format(number))
        return statement(text.format(1))._replace(text=text.format(number), redacted=text.format(number))
