"""Slack's half as the composition root makes it: off without settings, its secrets read at start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.approval_world import ApprovalWorld
from support.fake_slack import APP_TOKEN, BOT_TOKEN, FakeSlack
from support.slack_world import until

from gatekeep.errors import SettingsError
from gatekeep.identity.secrets import SecretReader
from gatekeep.runtime.clock import SystemClock, random_bytes
from gatekeep.settings import Settings, SlackSettings
from gatekeep.slack_assembly import SlackShared, assemble_slack
from gatekeep.stores.sqlite.state import StateStore

SECRETS = {"BOT": BOT_TOKEN, "APP": APP_TOKEN, "SIGN": "s"}


def shared(world: ApprovalWorld) -> SlackShared:
    """What the rest of a gateway gives."""
    return SlackShared(
        world.desk, world.people, world.book, _tell,
        lambda: StateStore.open(world.state / "state.db", bytes(32), world.clock),
        b"k" * 32, lambda: "https://gw.example", SystemClock(), world.clock.wall_us, random_bytes,
    )  # fmt: skip


async def _tell() -> None:
    """Nothing is owed here."""


def settings(mode: str, **more: Any) -> Settings:
    """A workspace."""
    given: dict[str, Any] = {
        "mode": mode, "team": "T0GATEKEEP", "bot_token": "env:BOT", "app_token": "env:APP",
        "signing_secret": "env:SIGN", "default_channel": "C0APPROVALS", **more,
    }  # fmt: skip
    return Settings(slack=SlackSettings(**given))


async def test_off_is_nothing(tmp_path: Path) -> None:
    """No task, no connection, no thread."""
    world = ApprovalWorld(tmp_path)
    assert assemble_slack(Settings(), SecretReader({}), shared(world)) is None
    await world.close()


async def test_a_secret_that_is_missing_is_told_at_the_start(tmp_path: Path) -> None:
    """By its key, before anything is made."""
    world = ApprovalWorld(tmp_path)
    with pytest.raises(SettingsError) as caught:
        assemble_slack(settings("socket"), SecretReader({"BOT": "x"}), shared(world))
    assert caught.value.key == "slack.app_token"
    await world.close()


async def test_what_is_made_dials_and_shows(tmp_path: Path) -> None:
    """From the settings alone."""
    fake = FakeSlack()
    await fake.start()
    world = ApprovalWorld(tmp_path)
    half = assemble_slack(settings("socket", api_url=fake.api_url), SecretReader(SECRETS), shared(world))
    assert half is not None
    await half.slack.start()
    assert half.http_app() is None
    request = await world.held()
    await until(lambda: [one for one in fake.posted("C0APPROVALS") if request.id in one.text], "shown")
    await until(lambda: half.slack.status.connected, "it dialled")
    await half.close()
    await fake.down()
    await world.close()


async def test_over_http_there_is_something_to_mount(tmp_path: Path) -> None:
    """Slack dials then; the links of the console are there in either mode."""
    world = ApprovalWorld(tmp_path)
    half = assemble_slack(settings("http"), SecretReader(SECRETS), shared(world))
    assert half is not None
    app = half.http_app()
    assert app is not None
    assert [str(one.resource) for one in app.router.routes()] != []
    assert half.links is half.slack.links
    await half.close()
    await world.close()
