"""The demo's data: a small shop, the same rows at every start. Names the accounts and their rights."""

from __future__ import annotations

import asyncpg

from gatekeep.demo.embedded import HOST, SUPERUSER

DATABASE = "shop"
ACCOUNTS = ("app_ro", "app_rw", "app_admin")

_TABLES = """
CREATE TABLE customers (
    id integer PRIMARY KEY, name text NOT NULL, email text NOT NULL UNIQUE, country text NOT NULL
);
CREATE TABLE products (
    id integer PRIMARY KEY, name text NOT NULL, price_cents integer NOT NULL CHECK (price_cents > 0)
);
CREATE TABLE orders (
    id integer PRIMARY KEY, customer_id integer NOT NULL REFERENCES customers,
    placed_at timestamptz NOT NULL, status text NOT NULL
);
CREATE TABLE order_items (
    order_id integer NOT NULL REFERENCES orders, product_id integer NOT NULL REFERENCES products,
    quantity integer NOT NULL, PRIMARY KEY (order_id, product_id)
);
CREATE TABLE salaries (person text PRIMARY KEY, monthly_cents integer NOT NULL);
"""

_ROWS = """
INSERT INTO customers SELECT n, 'Customer ' || n, 'customer' || n || '@example.com',
    (ARRAY['DE','FR','IT','NL','PL'])[1 + n % 5] FROM generate_series(1, 500) AS n;
INSERT INTO products SELECT n, 'Product ' || n, 100 + (n * 37) % 9000
    FROM generate_series(1, 60) AS n;
INSERT INTO orders SELECT n, 1 + (n * 7) % 500, timestamptz '2026-01-01' + n * interval '3 hours',
    (ARRAY['open','paid','shipped','returned'])[1 + n % 4] FROM generate_series(1, 2000) AS n;
INSERT INTO order_items SELECT n, 1 + (n * 11) % 60, 1 + n % 4 FROM generate_series(1, 2000) AS n;
INSERT INTO salaries VALUES ('alice', 520000), ('bob', 610000), ('carol', 640000);
"""

_RIGHTS = """
GRANT USAGE ON SCHEMA public TO app_ro, app_rw;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO app_ro, app_rw;
GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app_rw;
ALTER DATABASE shop OWNER TO app_admin;
REVOKE TEMPORARY ON DATABASE shop FROM PUBLIC;
"""


async def seed(port: int, superuser_password: str, passwords: dict[str, str]) -> bool:
    """Fill a fresh cluster; `passwords` maps account to password. False when it was filled before."""
    admin = await asyncpg.connect(
        host=HOST, port=port, user=SUPERUSER, password=superuser_password, database="postgres"
    )
    try:
        if await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
            return False
        for account in ACCOUNTS:
            await admin.execute(f"DROP ROLE IF EXISTS {account}")
            await admin.execute(f"CREATE ROLE {account} LOGIN PASSWORD '{passwords[account]}'")
        await admin.execute("DROP DATABASE IF EXISTS shop_new")
        await admin.execute("CREATE DATABASE shop_new")
        shop = await asyncpg.connect(
            host=HOST, port=port, user=SUPERUSER, password=superuser_password, database="shop_new"
        )
        try:
            for part in (_TABLES, _ROWS, _TABLE_OWNERS):
                await shop.execute(part)
            await shop.execute("ANALYZE")
        finally:
            await shop.close()
        # Renamed last: a database named `shop` is a whole one.
        await admin.execute(f"ALTER DATABASE shop_new RENAME TO {DATABASE}")
        await _grant(port, superuser_password)
    finally:
        await admin.close()
    return True


_TABLE_OWNERS = "".join(
    f"ALTER TABLE {table} OWNER TO app_admin;"
    for table in ("customers", "products", "orders", "order_items", "salaries")
)


async def _grant(port: int, superuser_password: str) -> None:
    shop = await asyncpg.connect(
        host=HOST, port=port, user=SUPERUSER, password=superuser_password, database=DATABASE
    )
    try:
        await shop.execute(_RIGHTS)
    finally:
        await shop.close()
