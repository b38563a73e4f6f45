"""The client's end of a channel before anybody listens to it: watched for a key, bounded, in order."""

from __future__ import annotations

from gatekeep.proxies.ssh.ends import ClientEnd


class Channel:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.reading = True
        self.written: list[tuple[bytes, object]] = []

    def set_write_buffer_limits(self, *, high: int) -> None:
        """Whatever they are."""

    def pause_reading(self) -> None:
        """No more bytes."""
        self.reading = False

    def resume_reading(self) -> None:
        """Bytes again."""
        self.reading = True

    def is_closing(self) -> bool:
        """Never."""
        return False

    def write(self, data: bytes, kind: object) -> None:
        """Keep it."""
        self.written.append((data, kind))


class Listening:
    """Hears it all."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def data(self, data: bytes, *, stderr: bool) -> None:
        """Bytes."""
        assert not stderr
        self.heard.append(data)

    def eof(self) -> None:
        """The end of them."""
        self.heard.append(b"<end>")

    def lost(self) -> None:
        """Gone."""
        self.heard.append(b"<lost>")

    def writable(self, *, writable: bool) -> None:
        """Not of interest."""


def end() -> tuple[ClientEnd, Channel]:
    """An open channel that nobody listens to."""
    made, channel = ClientEnd(lambda _end: None), Channel()
    made.connection_made(channel)
    return made, channel


def test_without_a_listener_the_client_waits() -> None:
    """After one piece."""
    one, channel = end()
    one.data_received(b"a", None)
    assert not channel.reading


def test_whoever_looks_sees_what_came_before_and_after() -> None:
    """And all of it waits for the listener all the same, in order."""
    one, channel = end()
    seen: list[bytes] = []
    one.data_received(b"before", None)
    one.watch(seen.append)
    assert channel.reading
    one.data_received(b"after", None)
    one.eof_received()
    assert seen == [b"before", b"after"]
    listening = Listening()
    one.listen(listening)
    one.data_received(b"later", None)
    assert listening.heard == [b"before", b"after", b"<end>", b"later"]
    assert seen == [b"before", b"after"]


def test_even_who_is_watched_waits_in_the_end() -> None:
    """Beyond 64 KiB nothing more is taken; nor is it once nobody looks any more."""
    one, channel = end()
    one.watch(lambda _data: None)
    one.data_received(b"x" * 65_536, None)
    assert channel.reading
    one.data_received(b"x", None)
    assert not channel.reading
    another, channel = end()
    another.watch(lambda _data: None)
    another.watch(None)
    another.data_received(b"x", None)
    assert not channel.reading


def test_who_leaves_is_told_of_once_and_to_whom_it_still_matters() -> None:
    """By a close that comes before what was sent is read, or by the end of the connection."""
    one, _channel = end()
    told: list[str] = []
    one.when_left(lambda: told.append("first"))
    forget = one.when_left(lambda: told.append("forgotten"))
    forget()
    one.peer_closed()
    one.connection_lost(None)
    assert told == ["first"]
    one.when_left(lambda: told.append("late"))
    assert told == ["first", "late"]
    assert one.left.is_set()


def test_our_words_have_the_line_ends_of_what_they_are_shown_on() -> None:
    """A terminal's, or those of a file; always on standard error."""
    one, channel = end()
    one.say(("a", "b"))
    one.terminal = ("xterm", (80, 24, 0, 0))
    one.say(("c",))
    assert [data for data, _ in channel.written] == [b"a\nb\n", b"c\r\n"]
    assert all(kind is not None for _, kind in channel.written)
