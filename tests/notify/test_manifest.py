"""The manifest asks Slack for exactly what is used."""

from __future__ import annotations

import re

import yaml
from support.source_tree import ROOT

from gatekeep.messages import slack_links as words
from gatekeep.notify.slack_http import PATH
from gatekeep.slack_assembly import MOUNTED_AT

#: What each method that is called needs; `auth.test` and `apps.connections.open` need no scope of a bot.
SCOPES = {
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "chat.postEphemeral": "chat:write",
    "conversations.open": "im:write",
    "users.info": "users:read",
    "views.open": "",
    "auth.test": "",
}
TEXT = (ROOT / "config" / "slack" / "manifest.yaml").read_text()
MANIFEST = yaml.safe_load(TEXT)


def test_the_scopes_are_those_of_the_methods_that_are_called() -> None:
    """No more, because each is a right that a stolen token has."""
    called = {
        method
        for path in (ROOT / "src" / "gatekeep" / "notify").glob("*.py")
        for method in re.findall(r'"((?:chat|conversations|users|views|auth)\.[a-zA-Z]+)"', path.read_text())
    }
    assert called == set(SCOPES)
    wanted = {scope for scope in SCOPES.values() if scope} | {"commands"}
    assert set(MANIFEST["oauth_config"]["scopes"]["bot"]) == wanted


def test_command_and_address_are_ours() -> None:
    """What people type, and where Slack calls."""
    (command,) = MANIFEST["features"]["slash_commands"]
    assert command["command"] == words.COMMAND
    assert command["usage_hint"].split()[0] == words.WORD
    assert MANIFEST["settings"]["interactivity"]["is_enabled"]
    assert set(re.findall(r"https://gw\.example(\S+)", TEXT)) == {MOUNTED_AT + PATH}


def test_the_tutorial_names_what_there_is() -> None:
    """Settings, words of buttons and short answers as they are."""
    text = (ROOT / "docs" / "tutorials" / "approvals-in-slack.md").read_text()
    for said in ("mode: socket", "config/slack/manifest.yaml", f"{words.COMMAND} {words.WORD} ", "Approve and run once", "Deny…"):
        assert said in text
