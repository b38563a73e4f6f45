"""Over HTTP: the same clicks, and nothing from anybody else."""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp
import pytest
from support import slack_hands as hands
from support.fake_slack import SIGNING_SECRET
from support.slack_calls import Signing, call_http, form_of
from support.slack_world import SlackWorld, until

from gatekeep.errors import SettingsError


async def test_a_signed_click_approves(over_http: SlackWorld) -> None:
    """Answered with an empty 200, worked off behind it."""
    request, message = await over_http.asked()
    assert await over_http.click_http("bob", message, "approve") == (200, "")
    await over_http.is_now(request, "approved")
    await until(lambda: not message.buttons(), "the buttons are gone")
    assert over_http.slack.status.connected


async def test_a_dialogue_goes_both_ways(over_http: SlackWorld) -> None:
    """A reason that is missing is told of in the answer itself."""
    request, message = await over_http.asked()
    await over_http.click_http("bob", message, "deny")
    opened = await over_http.dialogue()
    for reason, answer in (("", "errors"), ("no", "")):
        body = form_of(hands.submit(over_http.fake, opened, reason))
        status, said = await call_http(over_http.url, body, over_http.signing())
        assert status == 200
        assert (json.loads(said)["response_action"] if said else "") == answer
    await over_http.is_now(request, "denied")


@pytest.mark.parametrize(
    "how",
    [
        {"secret": "another"},
        {"signature": "v0=" + "0" * 64},
        {"signature": ""},
        {"skew_s": -301.0},
        {"skew_s": 301.0},
        {"stamp": "soon"},
        {"stamp": ""},
    ],
)
async def test_what_slack_did_not_sign_gets_401(over_http: SlackWorld, how: dict[str, object]) -> None:
    """And changes nothing."""
    request, message = await over_http.asked()
    signing = over_http.signing(**how)
    assert (await over_http.click_http("bob", message, "approve", signing=signing))[0] == 401
    assert await over_http.state_of(request) == "pending"
    assert over_http.fake.whispers == []


async def test_a_replayed_click_gets_401(over_http: SlackWorld) -> None:
    """Whoever listened on the way cannot click again."""
    _request, message = await over_http.asked()
    body = form_of(hands.click(over_http.fake, "alice", message, "approve"))
    signing = Signing(SIGNING_SECRET, over_http.world.clock.wall_us() / 1e6)
    assert (await call_http(over_http.url, body, signing))[0] == 200
    assert len(await over_http.whispered()) == 1
    assert (await call_http(over_http.url, body, signing))[0] == 401
    changed = over_http.signing(signature=signing.headers(body)["X-Slack-Signature"])
    assert (await call_http(over_http.url, body + b"&x=1", changed))[0] == 401
    assert len(over_http.fake.whispers) == 1


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"payload=", b"payload=%7B", b"payload=%5B%5D", b"payload=null", b"ssl_check=1", b"payload=%7B%22type%22%3A%22block_actions%22%7D", b'{"type":"url_verification","challenge":"x"}']
)
async def test_signed_nonsense_is_answered_and_does_nothing(over_http: SlackWorld, body: bytes) -> None:
    """No error of the library reaches anybody."""
    status, said = await call_http(over_http.url, body, over_http.signing())
    assert status in {200, 404, 500}
    assert "Traceback" not in said


async def test_signed_bytes_that_are_no_text_get_400(over_http: SlackWorld) -> None:
    """The signature is right; what it covers cannot be read."""
    assert (await call_http(over_http.url, b"payload=\xff", over_http.signing()))[0] == 400


async def test_a_large_call_is_read_and_a_huge_one_is_not(over_http: SlackWorld) -> None:
    """A click brings its message along; the door around it takes less."""
    large = b"payload=%7B%7D&x=" + b"y" * 200_000
    assert (await call_http(over_http.url, large, over_http.signing()))[0] == 404
    huge = b"payload=%7B%7D&x=" + b"y" * 300_000
    assert (await call_http(over_http.url, huge, over_http.signing()))[0] == 413


async def test_a_get_decides_nothing(over_http: SlackWorld) -> None:
    """Link scanners and the like."""
    async with aiohttp.ClientSession() as session, session.get(over_http.url) as response:
        assert response.status == 405


async def test_unsigned_ssl_checks_are_refused_too(over_http: SlackWorld) -> None:
    """The library would answer them before it looks at a signature."""
    signing = Signing("another", over_http.world.clock.wall_us() / 1e6)
    assert (await call_http(over_http.url, b"ssl_check=1&token=x", signing))[0] == 401


async def test_without_the_secret_nothing_is_believed(tmp_path: Path) -> None:
    """A file that is gone is a refusal, and no reason to believe anybody."""

    def gone() -> str:
        raise SettingsError("cannot be read")

    world = SlackWorld(tmp_path, mode="http", signing_secret=gone)
    await world.start()
    try:
        assert (await call_http(world.url, b"payload=%7B%7D", world.signing()))[0] == 503
    finally:
        await world.close()
