"""Where the gateway is reached, and as whom: --url, --token-file, and their variables."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from support.api_callers import AskingGateway
from support.gateway_thread import Gatekeep

from gatekeep.cli.exits import Exit, Stop
from gatekeep.cli.reaching import AddressWay, SocketWay, find_way
from gatekeep.identity.tokens import new_secret
from gatekeep.settings import load_settings


def token(place: Path, text: str, mode: int = 0o600) -> str:
    """A file with this token."""
    file = place / "some.token"
    file.write_text(text)
    file.chmod(mode)
    return str(file)


def test_everybody_is_themselves_by_token(asking: AskingGateway, as_: Gatekeep) -> None:
    """On the one socket that all share, and over TCP."""
    for name in ("alice", "bob"):
        for way in ((), ("--url", asking.url), ("--url", asking.url + "/")):
            told = as_(name, "whoami", "-o", "json", *way)
            assert json.loads(told.out)["principal"]["name"] == name


def test_the_variables_stand_for_the_options(
    asking: AskingGateway, gatekeep: Gatekeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GATEKEEP_TOKEN_FILE and GATEKEEP_URL; the options, and --state, go before them."""
    monkeypatch.setenv("GATEKEEP_TOKEN_FILE", str(asking.token_file("bob")))
    assert "name: bob" in gatekeep("whoami").out
    monkeypatch.setenv("GATEKEEP_URL", asking.url)
    assert "name: bob" in gatekeep("whoami").out
    assert "name: alice" in gatekeep("whoami", "--token-file", str(asking.token_file("alice"))).out
    monkeypatch.setenv("GATEKEEP_URL", "http://127.0.0.1:1")
    assert gatekeep("whoami").code == Exit.NOT_REACHED
    assert "name: bob" in gatekeep("whoami", "--state", str(asking.state)).out
    assert load_settings(None, dict(os.environ)).state_dir == asking.state


def test_everything_works_over_tcp(asking: AskingGateway, as_: Gatekeep) -> None:
    """Older addresses too, and streams."""
    assert as_("sam", "audit", "search", "--url", asking.url).code == 0
    assert as_("alice", "audit", "search", "--url", asking.url).code == Exit.NOT_ALLOWED
    assert "orders" in as_("alice", "targets", "ls", "--url", asking.url).out
    request = asking.wait(asking.world.held())
    told = as_("bob", "approvals", "show", request.id, "--url", asking.url)
    assert told.out.startswith(f"{request.id}  ◆ waiting")


def test_a_token_that_works_no_more_is_4(
    asking: AskingGateway, gatekeep: Gatekeep, tmp_path: Path
) -> None:
    """Wrong, revoked, locked out, or none over TCP."""
    file = asking.token_file("bob")
    url = ("--url", asking.url)
    assert gatekeep("whoami", *url, "--token-file", str(file)).code == 0
    asking.soon(lambda: asking.world.tokens.revoke(asking.world.token_ids["bob"]))
    wrong = token(tmp_path, new_secret())
    for options in (("--token-file", str(file)), ("--token-file", wrong), ()):
        told = gatekeep("whoami", *url, *options)
        assert told.code == Exit.NOT_SIGNED_IN
        assert "  try: gatekeep tokens new" in told.err
    for _ in range(10):
        told = gatekeep("whoami", *url, "--token-file", wrong)
    assert told.code == Exit.NOT_SIGNED_IN
    assert "too many wrong tokens" in told.err


@pytest.mark.parametrize("text", ["", "\n", "two words", "x" * 300, "é" * 10])
def test_a_file_without_a_token_is_2(gatekeep: Gatekeep, tmp_path: Path, text: str) -> None:
    """Nothing is sent of what is no token, and nothing of it is repeated."""
    told = gatekeep("whoami", "--token-file", token(tmp_path, text))
    assert told.code == Exit.USAGE
    assert "holds no token" in told.err
    assert text.strip() == "" or text not in told.err
    assert gatekeep("whoami", "--token-file", str(tmp_path / "none")).code == Exit.USAGE


def test_a_token_that_others_can_read_is_told(asking: AskingGateway, gatekeep: Gatekeep) -> None:
    """It works, with a word on stderr."""
    file = asking.token_file("bob")
    file.chmod(0o644)
    told = gatekeep("whoami", "--token-file", str(file))
    assert (told.code, "chmod 600" in told.err) == (0, True)


@pytest.mark.parametrize(
    "url",
    [
        "gw.example", "ftp://gw.example", "https://", "http://gw.example", "http://10.0.0.1:80",
        "https://me:secret@gw.example", "http://127.0.0.1:99999", "http://[::1",
    ],
)  # fmt: skip
def test_what_is_no_safe_address_is_2(gatekeep: Gatekeep, url: str) -> None:
    """A token goes in clear to this very machine only."""
    told = gatekeep("whoami", "--url", url)
    assert told.code == Exit.USAGE


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://127.0.0.1:1", "http://localhost:1"])
def test_nobody_there_is_9(gatekeep: Gatekeep, url: str) -> None:
    """With what to check."""
    told = gatekeep("whoami", "--url", url)
    assert told.code == Exit.NOT_REACHED
    assert "check --url" in told.err


def test_an_address_may_have_a_path() -> None:
    """Behind a proxy that gives the gateway a place of its own."""
    assert AddressWay("https://gw.example/gk/").prefix == "/gk/api"
    assert AddressWay("http://[::1]:8080").prefix == "/api"
    way = find_way("", Path("/state"), {"GATEKEEP_URL": "https://gw.example"})
    assert isinstance(way, SocketWay)
    with pytest.raises(Stop, match="no address"):
        AddressWay("x")


def test_tokens_new_keeps_its_own_token_file(
    asking: AskingGateway, gatekeep: Gatekeep, tmp_path: Path
) -> None:
    """There it is where the new token goes, as ever; who asks is said by the variable."""
    file = tmp_path / "new.token"
    assert gatekeep("tokens", "new", "alice", "--token-file", str(file)).code == 0
    assert file.read_text() == "gk_tk0000_secret\n"
