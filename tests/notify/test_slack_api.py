"""Calls of Slack's API: never an exception, never a token or a text in diagnostics."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import structlog
from support.fake_slack import BOT_TOKEN, FakeSlack

from gatekeep.errors import SettingsError
from gatekeep.notify.slack_api import SlackApi, library_logger
from gatekeep.notify.slack_ports import SlackValues
from gatekeep.runtime.clock import SystemClock


def api(url: str, token: object = BOT_TOKEN) -> SlackApi:
    """A client of what is there."""

    def bot_token() -> str:
        if isinstance(token, Exception):
            raise token
        return str(token)

    values = SlackValues(
        "socket", "T0", bot_token, lambda: "", lambda: "", b"k" * 32, api_url=url
    )
    return SlackApi(values, SystemClock())


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeSlack]:
    """A Slack."""
    made = FakeSlack()
    await made.start()
    yield made
    await made.down()


async def test_what_slack_says_is_handed_on(fake: FakeSlack) -> None:
    """Texts by their place; what is not there is empty."""
    slack = api(fake.api_url)
    answer = await slack.call("auth.test")
    assert (answer.ok, answer.text("team_id"), answer.text("no", "such")) == (True, fake.team, "")
    info = await slack.call("users.info", user=fake.account("bob"))
    assert info.text("user", "profile", "display_name") == "bob"
    await slack.close()


@pytest.mark.parametrize(
    ("said", "error", "again"),
    [
        ("channel_not_found", "channel_not_found", False),
        ("invalid_auth", "invalid_auth", False),
        ("internal_error", "internal_error", True),
        ("ratelimited", "ratelimited", True),
        ("http 500", "http_500", True),
        ("http 404", "http_404", True),
    ],
)
async def test_each_fault_says_whether_it_may_pass(
    fake: FakeSlack, said: str, error: str, *, again: bool
) -> None:
    """What never will succeed is not tried again."""
    slack = api(fake.api_url)
    fake.errors["auth.test"] = [said]
    answer = await slack.call("auth.test")
    assert (answer.error, answer.again_s is not None) == (error, again)
    await slack.close()


async def test_a_limited_method_is_not_called_until_its_time(fake: FakeSlack) -> None:
    """Other methods are."""
    slack = api(fake.api_url)
    fake.storms["auth.test"] = [7]
    for _ in range(3):
        answer = await slack.call("auth.test")
        assert (answer.error, 6 < (answer.again_s or 0) <= 7) == ("ratelimited", True)
    assert len(fake.methods("auth.test")) == 1
    assert (await slack.call("users.info", user=fake.account("bob"))).ok
    await slack.close()


async def test_nobody_there_is_an_answer_too(fake: FakeSlack) -> None:
    """A refused connection, an address that answers something else, a token that cannot be read."""
    url = fake.api_url
    await fake.down()
    gone = api(url)
    assert (await gone.call("auth.test")).again_s == 0.0
    await gone.close()
    unread = api(url, SettingsError("/secret/place cannot be read"))
    assert "cannot be read" in (await unread.call("auth.test")).error
    await unread.close()


@pytest.mark.parametrize(
    "url",
    [
        "", "https://hooks.slack.com.evil.example/x", "https://hooks.slack.com@evil.example/x",
        "http://hooks.slack.com/x", "https://hooks.slack.com:8443/x", "file:///etc/passwd",
        "http://169.254.169.254/latest", "https://[", "//hooks.slack.com/x",
    ],
)  # fmt: skip
async def test_only_slacks_own_address_for_answers_is_called(url: str) -> None:
    """Whoever could name another would make us call it."""
    slack = api("")
    assert (await slack.respond(url, "x")).error == "strange_address"
    assert slack._session is None
    assert slack._may_respond_to("https://hooks.slack.com/actions/T0/1/abc")


async def test_diagnostics_hold_neither_tokens_nor_texts(fake: FakeSlack) -> None:
    """Only the method and the kind of fault."""
    slack = api(fake.api_url, "xoxb-hunter2")
    with structlog.testing.capture_logs() as logs:
        await slack.call("chat.postMessage", channel="C0", text="the text")
        library_logger().error("a fault over %s and %s", "xoxb-hunter2", "the text")
        library_logger().info("talk")
    await slack.close()
    assert [one["event"] for one in logs] == ["slack call failed", "slack's library failed"]
    assert "hunter2" not in str(logs)
    assert "the text" not in str(logs)
    assert not library_logger().isEnabledFor(logging.WARNING)


async def test_a_proxy_of_the_environment_is_not_used_for_this_machine(
    fake: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library takes one from there; towards Slack itself that is right."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    slack = api(fake.api_url)
    assert (await slack.call("auth.test")).ok
    assert slack.client().proxy is None
    assert api("").client().proxy == "http://127.0.0.1:1"
    await slack.close()
