"""Diagnostics: bound context, no secrets, nothing that a terminal would obey."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from gatekeep.identity.tokens import TOKEN_PATTERN, new_secret
from gatekeep.logs import REDACTED, about, configure_logs, redacted


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where this test's diagnostics go; the set-up of before comes back afterwards."""
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    yield io.StringIO()
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """The lines as JSON."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_context_is_bound_while_it_lasts(stream: io.StringIO) -> None:
    """Session, principal and target stand on each line of the task, and only there."""
    configure_logs("info", "json", stream)
    log = structlog.get_logger("room")
    with about(session="s1", principal="alice", target="orders"):
        log.info("opened")
        log.debug("not shown at this level")
    log.info("after")
    opened, after = lines(stream)
    assert (opened["session"], opened["principal"], opened["target"]) == ("s1", "alice", "orders")
    assert (opened["event"], opened["level"]) == ("opened", "info")
    assert "session" not in after


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "token",
        "access_token",
        "secret",
        "client_secret",
        "passphrase",
        "stored_key",
        "private_key",
        "Authorization",
        "cookie",
        "kek",
        "dsn",
        "db_password",
        "session_key",
    ],
)
@pytest.mark.parametrize("form", ["json", "console"])
def test_values_of_secret_keys_are_blotted_out(stream: io.StringIO, key: str, form: str) -> None:
    """At any depth, in both forms."""
    configure_logs("info", form, stream)
    log = structlog.get_logger()
    log.info("x", **{key: "hunter2"})
    log.info("x", inside={"list": [{key: "hunter2"}]})
    log.info("x", inside={key: b"hunter2"})
    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count(REDACTED) == 3


def test_a_token_is_blotted_out_wherever_it_stands(stream: io.StringIO) -> None:
    """In the sentence, a value, a key, an object's text, an exception, and a library's own line."""
    secret = new_secret()
    configure_logs("debug", "json", stream)
    log = structlog.get_logger()
    log.warning(secret, note=f"{secret}!", **{secret: 1}, odd=(secret,))
    try:
        raise ValueError(secret)  # noqa: TRY301 - it is about the traceback
    except ValueError:
        log.exception("failed")
    logging.getLogger("library").warning("connecting with %s", secret)
    assert secret not in stream.getvalue()
    assert secret[3:20] not in stream.getvalue()
    assert stream.getvalue().count(REDACTED) >= 6
    assert "ValueError" in stream.getvalue()
    assert len(lines(stream)) == 3


def test_what_a_token_is_agrees_with_its_maker() -> None:
    """The pattern here finds every token that identity makes."""
    for _ in range(50):
        secret = new_secret()
        assert TOKEN_PATTERN.fullmatch(secret)
        assert redacted(f"a {secret} b") == f"a {REDACTED} b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgres://app:hunter2@db/x", f"postgres://app:{REDACTED}@db/x"),
        ("host=db password=hunter2 user=a", f"host=db password={REDACTED} user=a"),
        ("ALTER ROLE a PASSWORD = 'hunter 2'", f"ALTER ROLE a PASSWORD = {REDACTED}"),
        ("nothing to hide at 10:30", "nothing to hide at 10:30"),
    ],
)
def test_passwords_in_text_are_blotted_out(text: str, shown: str) -> None:
    """Addresses and connection strings are what slips into messages."""
    assert redacted(text) == shown


@pytest.mark.parametrize("form", ["json", "console"])
def test_nothing_reaches_the_terminal_that_it_would_obey(stream: io.StringIO, form: str) -> None:
    """Escape sequences, new lines, bidirectional and zero-width characters are shown, not sent."""
    configure_logs("info", form, stream)
    hostile = "a\x1b]52;c;cm0=\x07\x9b31m\r\nlevel=info forged \u202e\u200b\u2066\x7f"
    structlog.get_logger().info(hostile, value=hostile, inside={"k": [hostile]}, **{hostile: 1})
    logging.getLogger("x").warning(hostile)
    written = stream.getvalue()
    assert written.count("\n") == 2
    for character in "\x1b\x07\x9b\r\u202e\u200b\u2066\x7f":
        assert character not in written
        if form == "json":
            read = "".join(f"{key}{value}" for line in lines(stream) for key, value in line.items())
            assert character not in read
    assert "forged" in written


def test_long_values_and_bytes_are_cut(stream: io.StringIO) -> None:
    """A statement of a megabyte does not become a line of a megabyte; bytes are counted."""
    configure_logs("info", "json", stream)
    nested: Any = "deep"
    for _ in range(20):
        nested = [nested]
    structlog.get_logger().info("x", text="y" * 1_000_000, raw=b"\x00\x01", deep=nested)
    (line,) = lines(stream)
    assert len(line["text"]) < 5000
    assert line["raw"] == "2 bytes"
    assert "deep" not in json.dumps(line["deep"])


def test_configuring_twice_writes_once(stream: io.StringIO) -> None:
    """A reload does not double every line of the libraries."""
    configure_logs("info", "json", stream)
    configure_logs("info", "json", stream)
    logging.getLogger("x").error("once")
    assert len(lines(stream)) == 1
