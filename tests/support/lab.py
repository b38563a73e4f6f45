"""A database of its own for one test, with an engineer who may create in it."""

from __future__ import annotations

from uuid import uuid4

import asyncpg
from support.postgres_server import PostgresServer

from gatekeep.catalogue.reader import read_catalogue
from gatekeep.domain.catalogue import CatalogueView


class Lab:
    """A database of its own and an engineer who may create in it."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.name = f"lab_{uuid4().hex[:12]}"
        self.role = f"eng_{uuid4().hex[:12]}"

    async def connect(self, **settings: str) -> asyncpg.Connection:
        """A session of the engineer."""
        return await asyncpg.connect(
            self.server.dsn(database=self.name, user=self.role, password="x"),  # noqa: S106 - a throw-away role
            server_settings=settings,
        )

    async def admin(self, text: str, *, database: str = "postgres") -> None:
        """Run something as superuser."""
        connection = await asyncpg.connect(self.server.dsn(database=database))
        try:
            await connection.execute(text)
        finally:
            await connection.close()

    async def look(self) -> CatalogueView:
        """The view as the engineer gets it."""
        connection = await self.connect()
        try:
            return await read_catalogue(connection)
        finally:
            await connection.close()

    async def run(self, text: str) -> None:
        """Run something as the engineer."""
        connection = await self.connect()
        try:
            await connection.execute(text)
        finally:
            await connection.close()
