"""One GET to the health door, with a Host of one's choice. Says what came back, judges nothing."""

from __future__ import annotations

import http.client

from support.gateway import Gateway


def get(gateway: Gateway, path: str, **headers: str) -> tuple[int, str]:
    """Status and body."""
    port = int(gateway.ready["doors"]["health"]["port"])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def is_ready(gateway: Gateway) -> bool:
    """Whether /readyz says 200."""
    return get(gateway, "/readyz")[0] == 200
