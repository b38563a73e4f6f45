"""Reads command lines for the proxies: short ones at once, long ones away from the event loop."""

from __future__ import annotations

from typing import Final

from gatekeep.protocols.ssh.commands.command import CommandReading, read_command
from gatekeep.runtime.offload import Offload

SHORT: Final = 2048
"""Characters; reading so many takes well under ten milliseconds."""


class CommandReader:
    """Reads what a shell would be given."""

    def __init__(self, offload: Offload) -> None:
        self._offload = offload

    async def read(
        self,
        text: str,
        action: str,
        login_shell: str,
        *,
        terminal: bool | None = None,
        from_input: bool = False,
    ) -> CommandReading:
        """The reading of one command line, or of a script that comes `from_input` of a shell."""

        def reading() -> CommandReading:
            return read_command(
                text,
                action=action,
                login_shell=login_shell,
                terminal=terminal,
                from_input=from_input,
            )

        return reading() if len(text) <= SHORT else await self._offload.run(reading)
