"""Mail, webhooks and who is on call over a running gateway, as its settings and files say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import yaml
from aiohttp import web
from support.asking_gateway import PEOPLE, Asking, asking_gateway, until
from support.hook_catcher import HookCatcher, hook_catcher
from support.mail_catcher import MailCatcher, mail_catcher
from support.postgres_server import PostgresServer

from gatekeep.configuration import Configuration, load_configuration
from gatekeep.errors import SettingsError
from gatekeep.identity.secrets import SecretReader
from gatekeep.messages import hooks as words
from gatekeep.notify.signing import signed_headers
from gatekeep.runtime.clock import SystemClock
from gatekeep.settings import load_settings

OUT, IN = "the key of what goes out, long enough", "the key of what comes in, as long as that"
CROWD = (
    *(
        {**one, "mail": f"{one['name']}@example.org", "zone": "Europe/Berlin"}
        for one in PEOPLE
    ),
    {"name": "scanner", "owner": "dave", "groups": ["dba"]},
)  # fmt: skip


@pytest.fixture
async def catcher() -> AsyncIterator[MailCatcher]:
    """A real SMTP server."""
    async with mail_catcher() as made:
        yield made


@pytest.fixture
async def there() -> AsyncIterator[HookCatcher]:
    """A real endpoint."""
    async with hook_catcher() as made:
        yield made


def keys(place: Path) -> dict[str, str]:
    """References to the keys of both directions."""
    found = {}
    for name, key in (("out", OUT), ("in", IN)):
        file = place / name
        file.write_text(key)
        file.chmod(0o600)
        found[name] = f"file:{file}"
    return found


def given(place: Path, catcher: MailCatcher, there: HookCatcher) -> dict[str, Any]:
    """Settings with all of it; the schedule is written by each test."""
    refer = keys(place)
    schedule = place / "on-call.yaml"
    if not schedule.exists():
        schedule.write_text("groups: {dba: {turns: [{person: bob}]}}\n")
    return {
        "approvals": {"schedule": str(schedule)},
        "mail": {"host": "127.0.0.1", "port": catcher.port, "tls": "off", "sender": "gk@gw.example"},
        "webhooks": {
            "outgoing": [{"name": "chat", "url": there.url, "secret": refer["out"], "detail": "full"}],
            "incoming": [{"name": "scan", "principal": "scanner", "secret": refer["in"]}],
        },
    }


async def test_one_held_statement_is_told_by_mail_and_webhook_and_barred_by_a_machine(
    postgres_server: PostgresServer, tmp_path: Path, catcher: MailCatcher, there: HookCatcher
) -> None:
    """A client waits, bob who is on call is written to, a scanner says no, and everybody hears it."""
    settings = given(tmp_path, catcher, there)
    async with asking_gateway(postgres_server, settings=settings, people=CROWD) as asking:
        client = await asking.connect()
        waiting = asyncio.ensure_future(client.execute("CREATE TABLE told_elsewhere (a int)"))
        (request,) = await asking.asked()
        await until(lambda: catcher.mails and there.calls, "mail and webhook")
        assert [to for _, to, _ in catcher.envelopes] == ["bob@example.org"]
        assert "    CREATE TABLE told_elsewhere (a int)\n" in catcher.text()
        link = f"http://localhost:{asking.gateway.http_port}/r/{request.id}"
        assert link in catcher.text()
        told = there.calls[0].told
        assert (told["kind"], told["link"], told["request"]["asked"]) == (
            "requested", link, ["bob"],
        )  # fmt: skip
        assert told["request"]["text"] == "CREATE TABLE told_elsewhere (a int)"

        no = {"request": request.id, "verdict": "deny", "digest": request.digest, "reason": "frozen"}
        assert (await called(asking, no, key=OUT))[0] == 401
        status, answer = await called(asking, no)
        assert (status, answer["state"]) == (200, "denied")
        with pytest.raises(Exception, match="denied request"):
            await waiting
        await until(lambda: len(catcher.mails) == 2, "the end by mail")
        assert catcher.mails[1]["References"] == catcher.mails[0]["Message-ID"]
        await until(lambda: there.calls[-1].told["kind"] == "decided", "the end by webhook")
        events = await asking.told(request.id)
        voted = next(one for one in events if one["kind"] == "approval.voted")
        assert (voted["voter"], voted["via"]) == ("scanner", "webhook")
        await client.close()


async def called(asking: Asking, body: object, *, key: str = IN) -> tuple[int, dict[str, Any]]:
    """A call of the incoming webhook."""
    raw = json.dumps(body).encode()
    url = f"http://127.0.0.1:{asking.gateway.http_port}/hooks/in/scan"
    headers = signed_headers(key, SystemClock().wall_us(), raw)
    async with aiohttp.ClientSession() as session, session.post(url, data=raw, headers=headers) as it:
        return it.status, await it.json()


async def test_who_is_on_call_is_asked_of_a_webhook_and_read_again_at_a_reload(
    postgres_server: PostgresServer, tmp_path: Path, catcher: MailCatcher, there: HookCatcher
) -> None:
    """Its answer is cut to the group; a silent one means everybody; a reload takes over turns."""
    schedule = tmp_path / "on-call.yaml"
    hook = {"url": there.url, "secret": keys(tmp_path)["out"]}
    schedule.write_text(yaml.safe_dump({"groups": {"dba": {"webhook": hook}}}))
    persons = ["carol", "mallory", "alice"]

    async def answer(_request: web.Request, body: bytes) -> web.StreamResponse:
        asked = orjson.loads(body)
        if asked["kind"] != "on_call":
            return web.Response()
        raw = orjson.dumps({"delivery": asked["delivery"], "persons": persons})
        return web.Response(body=raw, headers=signed_headers(OUT, SystemClock().wall_us(), raw))

    there.answer = answer
    settings = given(tmp_path, catcher, there)
    async with asking_gateway(postgres_server, settings=settings, people=CROWD) as asking:
        front = asking.approvals.front
        await until(lambda: "carol" in front.on_call()[0].persons, "an answer")
        client = await asking.connect()
        waiting = asyncio.ensure_future(client.execute("CREATE TABLE first_asked (a int)"))
        (request,) = await asking.asked()
        assert list(front.asked_now(request)) == ["carol"]
        assert list(front.deciders(request)) == ["bob", "carol"]
        schedule.write_text("groups: {dba: {turns: [{person: bob}]}}\n")
        await asking.gateway.reload()
        assert list(front.asked_now(request)) == ["bob"]
        await asking.vote(request, "carol")
        await waiting
        await client.close()


NOTIFYING = """
@id("sessions") @notify @title("Who comes")
permit(principal, action == Action::"session.open", resource);
@id("reads") permit(principal, action in [Action::"sql.read", Action::"sql.session"], resource);
@id("ddl") @notify("dba") @title("Changes of tables")
permit(principal, action == Action::"sql.ddl", resource)
when { context has approval && context.approval.groups.contains("dba") };
@id("no-drops") @notify forbid(principal, action in Action::"sql", resource)
when { context.verb like "DROP*" };
@id("gateway") permit(principal, action in Action::"gateway", resource);
"""


async def test_what_rules_with_notify_decide_is_told_behind_its_event(
    postgres_server: PostgresServer, tmp_path: Path, catcher: MailCatcher, there: HookCatcher
) -> None:
    """A session, a question, its release and a refusal; a plain read is nobody's news."""
    settings = given(tmp_path, catcher, there)
    async with asking_gateway(
        postgres_server, settings=settings, people=CROWD, policy=NOTIFYING
    ) as asking:
        client = await asking.connect()
        await client.execute("SELECT 1")
        waiting = asyncio.ensure_future(client.execute("CREATE TABLE told_of (secret int)"))
        (request,) = await asking.asked()
        await asking.vote(request, "bob")
        await waiting
        with pytest.raises(Exception, match="no-drops"):
            await client.execute("DROP TABLE told_of")
        await client.close()
        archive = asking.gateway._parts.archive
        await asking.gateway._notices.notices.close()
        await until(lambda: len(told_notices(there)) >= 3, "three rules")
        told = {one["rule"]: one for one in told_notices(there)}
        assert {name: one["counts"] for name, one in told.items()} == {
            "sessions": {"opened": 1}, "ddl": {"asked": 1, "released": 1}, "no-drops": {"refused": 1},
        }  # fmt: skip
        event = await archive.event(told["no-drops"]["event"])
        assert event is not None
        assert event.envelope["k"] == "action.refused"
        assert "SELECT" not in str(told)


def told_notices(there: HookCatcher) -> list[dict[str, Any]]:
    """All lines of all notices so far."""
    calls = [one.told for one in there.calls]
    return [line for one in calls if one["kind"] == "notice" for line in one["notices"]]


async def test_what_is_not_set_up_is_not_there(
    postgres_server: PostgresServer,
) -> None:
    """Neither mail nor a door for hooks; requests go on as ever."""
    async with asking_gateway(postgres_server) as asking:
        status, answer = await called_raw(asking)
        assert status == 404
        assert words.UNSIGNED not in answer


async def called_raw(asking: Asking) -> tuple[int, str]:
    """A call of a hook that is not there."""
    url = f"http://127.0.0.1:{asking.gateway.http_port}/hooks/in/scan"
    async with aiohttp.ClientSession() as session, session.post(url, data=b"{}") as it:
        return it.status, await it.text()


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"webhooks": {"incoming": [{"name": "a", "principal": "bob", "secret": "env:LONG"}]}},
         "webhooks.incoming[0].principal"),
        ({"webhooks": {"incoming": [{"name": "a", "principal": "gone", "secret": "env:LONG"}]}},
         "webhooks.incoming[0].principal"),
        ({"webhooks": {"incoming": [{"name": "a", "principal": "scanner", "secret": "env:SHORT"}]}},
         "webhooks.incoming[0].secret"),
        ({"webhooks": {"outgoing": [{"name": "a", "url": "https://x.example/", "secret": "env:NO"}]}},
         "webhooks.outgoing[0].secret"),
        ({"webhooks": {"outgoing": [{"name": "a", "url": "http://x.example/", "secret": "env:LONG"}]}},
         "webhooks.outgoing[0].url"),
        ({"webhooks": {"outgoing": [{"name": "a", "url": "https://x.example/", "secret": "hunter2"}]}},
         "webhooks.outgoing[0].secret"),
        ({"webhooks": {
            "outgoing": [{"name": "a", "url": "https://x.example/", "secret": "env:LONG"}],
            "incoming": [{"name": "a", "principal": "scanner", "secret": "env:LONG"}]}},
         "webhooks.incoming"),
        ({"webhooks": {"incoming": [{"name": "a", "principal": "scanner", "secret": "env:LONG"}] * 2}},
         "webhooks.incoming"),
        ({"mail": {"host": "smtp.example"}}, "mail.sender"),
        ({"mail": {"host": "smtp.example", "sender": "g@x.example", "tls": "off"}}, "mail.tls"),
        ({"mail": {"host": "localhost", "sender": "g@x.example", "username": "g"}}, "mail.password"),
        ({"mail": {"host": "localhost", "sender": "g@x.example\nBcc: e@x.example"}}, "mail.sender"),
        ({"mail": {"host": "localhost", "sender": "g@x.example", "username": "g",
                   "password": "env:NO"}}, "mail.password"),
        ({"on-call": "groups: {dba: {webhook: {url: 'https://x.example/', secret: 'env:SHORT'}}}"},
         "groups.dba.webhook.secret"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_an_error_at_the_start(
    tmp_path: Path, change: dict[str, Any], key: str
) -> None:
    """And for `gatekeep check`, with its key; no secret is repeated."""
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "rules.cedar").write_text(
        '@id("a") @why("b")\npermit(principal, action, resource);\n'
    )
    (tmp_path / "targets.yaml").write_text("targets: []\n")
    (tmp_path / "principals.yaml").write_text(yaml.safe_dump({"principals": list(CROWD)}))
    if "on-call" in change:
        (tmp_path / "on-call.yaml").write_text(change["on-call"])
        change = {"approvals": {"schedule": "on-call.yaml"}}
    (tmp_path / "gatekeep.yaml").write_text(yaml.safe_dump(change))
    with pytest.raises(SettingsError) as raised:
        loaded(tmp_path / "gatekeep.yaml", {"LONG": "x" * 32, "SHORT": "hunter2"})
    assert raised.value.key == key
    assert "hunter2" not in f"{raised.value} {raised.value.fix}"


def loaded(file: Path, environment: dict[str, str]) -> Configuration:
    """Settings and files, as a start reads them."""
    return load_configuration(load_settings(file, {}), SecretReader(environment))


def test_endpoints_may_come_from_the_environment(tmp_path: Path) -> None:
    """As JSON."""
    (tmp_path / "gatekeep.yaml").write_text("")
    hook = {"name": "a", "url": "https://x.example/", "secret": "env:A", "kinds": ["decided"]}
    settings = load_settings(
        tmp_path / "gatekeep.yaml",
        {"GATEKEEP_WEBHOOKS__OUTGOING": json.dumps([hook]), "GATEKEEP_MAIL__PORT": "25"},
    )
    assert settings.webhooks.outgoing[0].kinds == ("decided",)
    assert settings.webhooks.outgoing[0].detail == "brief"
    assert settings.mail.port == 25
