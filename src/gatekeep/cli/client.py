"""The command line's end of the API: one call, one answer, or a stream of JSON lines.

Never opens the gateway's data; a refusal of the gateway becomes a Stop with its exit code.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from gatekeep.cli.exits import Exit, Stop
from gatekeep.cli.reaching import SocketWay, Way

_CALL_SECONDS: Final = 40.0
_SILENCE_SECONDS: Final = 60.0  # a tail beats every 15 s
_CODES: Final = {
    400: Exit.USAGE,
    401: Exit.NOT_SIGNED_IN,
    403: Exit.NOT_ALLOWED,
    404: Exit.NOT_FOUND,
    409: Exit.DECIDED_OTHERWISE,
    413: Exit.USAGE,
    429: Exit.NOT_SIGNED_IN,
    422: Exit.CHECK_FAILED,
}


class GatewayClient:
    """Calls the API: as the principal of the token, or, without one, whom the socket recognises."""

    def __init__(self, place: Path | Way, token: str = "") -> None:
        self._way = SocketWay(place) if isinstance(place, Path) else place
        self._token = token

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of a GET; parameters that are None are left out. Raises Stop."""
        return self._call("GET", _with_query(path, query))

    def post(self, path: str, body: Mapping[str, Any], *, limit_s: float = _CALL_SECONDS) -> Any:
        """The JSON of a POST, waited for so long. Raises Stop."""
        return self._call("POST", path, json.dumps(body).encode(), limit_s)

    def delete(self, path: str) -> Any:
        """The JSON of a DELETE. Raises Stop."""
        return self._call("DELETE", path)

    def lines(self, path: str, **query: Any) -> Iterator[Any]:
        """The values of a stream of JSON lines, until the gateway ends it. Raises Stop."""
        connection = self._way.connection(_SILENCE_SECONDS)
        try:
            answer = self._ask(connection, "GET", _with_query(path, query), None)
            if answer.status >= http.client.BAD_REQUEST:
                raise _refusal(answer.status, answer.read())
            while line := answer.readline():
                if line.strip():
                    yield json.loads(line)
        except (OSError, http.client.HTTPException) as error:
            raise self._way.not_reached(error) from None
        finally:
            connection.close()

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        limit_s: float = _CALL_SECONDS,
    ) -> Any:
        connection = self._way.connection(limit_s)
        try:
            answer = self._ask(connection, method, path, body)
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._way.not_reached(error) from None
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST:
            raise _refusal(answer.status, content)
        return json.loads(content)

    def _ask(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None
    ) -> http.client.HTTPResponse:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        # `/v1/…` on the socket, `/api/v1/…` there as well and everywhere else
        if not path.startswith("/api/"):
            path = self._way.prefix + path
        elif self._way.prefix:
            path = self._way.prefix.removesuffix("/api") + path
        connection.request(method, path, body, headers)
        return connection.getresponse()


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
