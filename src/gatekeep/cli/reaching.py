"""Where the gateway is reached: its Unix socket, or an address over TCP; and the token to call with.

One connection a call. What is asked there is `client`'s.
"""

from __future__ import annotations

import http.client
import os
import socket
import sys
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from gatekeep.cli.exits import Exit, Stop

SOCKET_NAME: Final = "gatekeep.sock"
TOKEN_FILE: Final = "GATEKEEP_TOKEN_FILE"  # noqa: S105 - the name of a variable, not a secret
URL: Final = "GATEKEEP_URL"

_MAX_TOKEN: Final = 256
_OPEN_TO_OTHERS: Final = 0o077


class Way(Protocol):
    """One way to the gateway. `prefix` goes before every path."""

    prefix: str

    def connection(self, seconds: float) -> http.client.HTTPConnection:
        """A connection that is not made yet; each wait on it has this limit."""

    def not_reached(self, error: Exception) -> Stop:
        """How it is told that nobody answers there."""


class SocketWay:
    """The Unix socket of a gateway on this machine."""

    prefix = ""

    def __init__(self, path: Path) -> None:
        self.path = path

    def connection(self, seconds: float) -> http.client.HTTPConnection:
        """See Way."""
        return _UnixConnection(self.path, seconds)

    def not_reached(self, error: Exception) -> Stop:
        """See Way."""
        if isinstance(error, PermissionError):
            return Stop(
                f"{self.path} is not yours to open",
                why="only the account that runs the gateway, and root, reach its socket",
                advice="run this as that account, or name another with --state",
                code=Exit.NOT_ALLOWED,
            )
        return Stop(
            "the gateway is not reached",
            why=f"{self.path}: {_why(error)}",
            advice="gatekeep serve (or make demo) starts one; --state names its directory",
            code=Exit.NOT_REACHED,
        )


class AddressWay:
    """A gateway at an http(s) address. In clear only to this very machine: a token goes with it.

    Raises Stop (usage) for an address that is none.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise self._no_address(url) from None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise self._no_address(url)
        if parts.scheme == "http" and not _is_here(parts.hostname):
            raise Stop(
                "a token is not sent in clear",
                why=f"{url} is neither https nor this machine",
                advice=f"https://{parts.netloc}",
                code=Exit.USAGE,
            )
        self.url = url
        self.prefix = f"{parts.path.rstrip('/')}/api"
        self._name, self._port, self._tls = parts.hostname, port, parts.scheme == "https"

    def connection(self, seconds: float) -> http.client.HTTPConnection:
        """See Way. Over TLS the certificate is checked against the system's authorities."""
        kind = http.client.HTTPSConnection if self._tls else http.client.HTTPConnection
        return kind(self._name, self._port, timeout=seconds)

    def not_reached(self, error: Exception) -> Stop:
        """See Way."""
        return Stop(
            "the gateway is not reached",
            why=f"{self.url}: {_why(error)}",
            advice="check --url; without it the socket of this machine is used",
            code=Exit.NOT_REACHED,
        )

    @staticmethod
    def _no_address(url: str) -> Stop:
        return Stop(f"{url!r} is no address", advice="--url https://gw.example", code=Exit.USAGE)


def find_socket(state: Path | None, environment: Mapping[str, str]) -> Path:
    """The socket of the gateway meant: `--state`, GATEKEEP_STATE_DIR, the settings, or the demo's.

    The demo keeps its state in `demo` below the usual place, and is found when nothing else runs.
    """
    if state is not None:
        return state / SOCKET_NAME
    if environment.get("GATEKEEP_STATE_DIR"):
        return Path(environment["GATEKEEP_STATE_DIR"]) / SOCKET_NAME
    # Settings cost a tenth of a second to import, and are needed only here.
    from gatekeep.settings import load_settings  # noqa: PLC0415 - see above

    usual = load_settings(None, environment).state_dir
    for place in (usual, usual / "demo", Path("state"), Path("state/demo")):
        if (place / SOCKET_NAME).exists():
            return place / SOCKET_NAME
    return usual / SOCKET_NAME


def find_way(url: str, state: Path | None, environment: Mapping[str, str]) -> Way:
    """`--url` first; a state directory that is named by `--state` goes before GATEKEEP_URL."""
    chosen = url or ("" if state is not None else environment.get(URL, ""))
    return AddressWay(chosen) if chosen else SocketWay(find_socket(state, environment))


def find_token(file: Path | None, environment: Mapping[str, str]) -> str:
    """The token of `--token-file` or GATEKEEP_TOKEN_FILE, empty without either. Raises Stop."""
    named = file or environment.get(TOKEN_FILE)
    return secret_line(Path(named), what="token") if named else ""


def secret_line(file: Path, *, what: str) -> str:
    """The one line of a file that holds a secret. Raises Stop; says when others can read it."""
    advice = f"name a file that holds one {what} and nothing else"
    try:
        with file.open("rb") as stream:
            raw = stream.read(_MAX_TOKEN + 2)
            mode = os.fstat(stream.fileno()).st_mode
    except OSError as error:
        why = error.strerror or ""
        raise Stop(f"{file} cannot be read", why=why, advice=advice, code=Exit.USAGE) from None
    text = raw.decode("ascii", "replace").strip()
    if not text or len(text) > _MAX_TOKEN or not text.isascii() or len(text.split()) != 1:
        raise Stop(f"{file} holds no {what}", advice=advice, code=Exit.USAGE)
    if file.is_file() and mode & _OPEN_TO_OTHERS:
        sys.stderr.write(f"gatekeep: others can read {file}; chmod 600 mends it\n")
    return text


class _UnixConnection(http.client.HTTPConnection):
    """HTTP/1.1 over a Unix socket."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("gatekeep", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fspath(self._path))


def _is_here(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _why(error: Exception) -> str:
    words = error.strerror if isinstance(error, OSError) else ""
    return words or type(error).__name__
