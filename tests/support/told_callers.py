"""Principals who call a gateway of its own process over its HTTP door, each by his token."""

from __future__ import annotations

import http.client
import json
from typing import Any

from support.gateway import Gateway
from support.running_gateway import until

Request = dict[str, Any]


def call(gateway: Gateway, name: str, method: str, path: str, body: object = None) -> Request:
    """What `/api/v1/PATH` answers to this principal."""
    port = int(gateway.ready["doors"]["health"]["port"])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        headers = {
            "Authorization": f"Bearer {gateway.tokens[name]}", "Content-Type": "application/json",
        }  # fmt: skip
        said = None if body is None else json.dumps(body)
        connection.request(method, f"/api/v1/{path}", said, headers)
        answer: Request = json.loads(connection.getresponse().read())
        return answer
    finally:
        connection.close()


def request_of(gateway: Gateway, request_id: str) -> Request:
    """One request as it stands, as an approver sees it."""
    return call(gateway, "bob", "GET", f"requests/{request_id}")


def waits(gateway: Gateway, text: str) -> Request:
    """The request that is pending for exactly this text, once there is one."""
    found: list[Request] = []

    def there() -> bool:
        listed = call(gateway, "bob", "GET", "requests?state=pending")["requests"]
        found[:] = [one for one in listed if one["text"] == text]
        return bool(found)

    until(there, f"a request for {text!r}")
    return found[0]


def vote(gateway: Gateway, name: str, request: Request, verdict: str = "approve", **more: Any) -> Request:
    """A vote of this principal, by whoever has read it."""
    body = {"verdict": verdict, "digest": request["digest"], "reason": "looked at", **more}
    return call(gateway, name, "POST", f"requests/{request['id']}/votes", body)
