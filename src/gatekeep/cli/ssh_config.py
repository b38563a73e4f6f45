"""What ssh needs in its configuration to reach a target through the gateway, by its own name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatekeep.domain.targets import alias_of


def stanza(target: Mapping[str, Any], principal: str, door: Mapping[str, Any]) -> str:
    """Lines for ~/.ssh/config, and the one for ~/.ssh/known_hosts as a comment on top.

    `HostKeyAlias` keeps what clients knew of the host before apart from what the gateway shows.
    """
    name, accounts = target["name"], target["accounts"]
    port = str(target["address"]).rpartition(":")[2]
    lines = [
        "# once, in ~/.ssh/known_hosts, so that the gateway's word for its targets is believed:",
        f"#   {door['authority']}",
        f"# the gateway itself, {door['address']}, has the host key {door['fingerprint']}",
        f"Host {name}",
        f"    HostName {name}",
        f"    Port {port}",
        *([f"    User {accounts[0]}"] if accounts else []),
        f"    HostKeyAlias {alias_of(name)}",
        f"    ProxyJump {principal}@{door['address']}",
    ]
    if len(accounts) > 1:
        lines.insert(-2, f"    # or one of: {', '.join(accounts[1:])}")
    return "\n".join(lines) + "\n"
