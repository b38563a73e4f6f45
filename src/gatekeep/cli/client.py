"""The command line's end of the Unix socket: one call, one answer, or a stream of JSON lines.

Never opens the gateway's data; a refusal of the gateway becomes a Stop with its exit code.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from gatekeep.cli.exits import Exit, Stop

SOCKET_NAME: Final = "gatekeep.sock"
_CALL_SECONDS: Final = 40.0
_SILENCE_SECONDS: Final = 60.0  # a tail beats every 15 s
_CODES: Final = {
    400: Exit.USAGE,
    401: Exit.NOT_SIGNED_IN,
    403: Exit.NOT_ALLOWED,
    404: Exit.NOT_FOUND,
    409: Exit.DECIDED_OTHERWISE,
    422: Exit.CHECK_FAILED,
}


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


class GatewayClient:
    """Calls the API as the principal that the socket recognises."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of a GET; parameters that are None are left out. Raises Stop."""
        return self._call("GET", _with_query(path, query))

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON of a POST. Raises Stop."""
        return self._call("POST", path, json.dumps(body).encode())

    def delete(self, path: str) -> Any:
        """The JSON of a DELETE. Raises Stop."""
        return self._call("DELETE", path)

    def lines(self, path: str, **query: Any) -> Iterator[Any]:
        """The values of a stream of JSON lines, until the gateway ends it. Raises Stop."""
        connection = self._connection(_SILENCE_SECONDS)
        try:
            answer = self._ask(connection, "GET", _with_query(path, query), None)
            if answer.status >= http.client.BAD_REQUEST:
                raise _refusal(answer.status, answer.read())
            while line := answer.readline():
                if line.strip():
                    yield json.loads(line)
        except (OSError, http.client.HTTPException) as error:
            raise self._not_reached(error) from None
        finally:
            connection.close()

    def _call(self, method: str, path: str, body: bytes | None = None) -> Any:
        connection = self._connection(_CALL_SECONDS)
        try:
            answer = self._ask(connection, method, path, body)
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._not_reached(error) from None
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST:
            raise _refusal(answer.status, content)
        return json.loads(content)

    def _ask(
        self, connection: _UnixConnection, method: str, path: str, body: bytes | None
    ) -> http.client.HTTPResponse:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path, body, headers)
        return connection.getresponse()

    def _connection(self, seconds: float) -> _UnixConnection:
        return _UnixConnection(self.path, seconds)

    def _not_reached(self, error: Exception) -> Stop:
        if isinstance(error, PermissionError):
            return Stop(
                f"{self.path} is not yours to open",
                why="only the account that runs the gateway, and root, reach its socket",
                advice="run this as that account, or name another with --state",
                code=Exit.NOT_ALLOWED,
            )
        why = error.strerror if isinstance(error, OSError) else ""
        return Stop(
            "the gateway is not reached",
            why=f"{self.path}: {why or type(error).__name__}",
            advice="gatekeep serve (or make demo) starts one; --state names its directory",
            code=Exit.NOT_REACHED,
        )


class _UnixConnection(http.client.HTTPConnection):
    """HTTP/1.1 over a Unix socket."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("gatekeep", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fspath(self._path))


def _with_query(path: str, query: Mapping[str, Any]) -> str:
    given = {name.rstrip("_"): value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def _refusal(status: int, content: bytes) -> Stop:
    """The gateway's own words; the exit code follows from the status."""
    code = _CODES.get(status, Exit.FAILED)
    try:
        error = json.loads(content)["error"]
        return Stop(error["what"], why=error["why"], advice=error["try"], code=code)
    except (ValueError, KeyError, TypeError):
        return Stop(f"the gateway answered {status}", code=code)
