"""A shop: support changes orders in a database, a web team looks after a few machines."""

from __future__ import annotations

from organisation import (
    OPEN,
    READ,
    RUN,
    WRITE,
    Organisation,
    Scheme,
    Work,
    asking,
    database,
    free,
    machine,
    numbers,
    people,
    quoted,
    schema_of,
)

_SUPPORT = ("support",)
_WEB = ("web",)
_WEBS = ("web-1", "web-2")
_ORDERS = numbers(10_012)
_PAGES = tuple(f"/shop/products/{one}" for one in numbers(3, 8))


def _order(name: str, text: str, wanted: bool = True, a_week: float = 0.0, **values: tuple[str, ...]) -> Work:
    return Work(name, _SUPPORT, ("orders",), "app", text, wanted, a_week, values, "main")


def _web(name: str, text: str, wanted: bool = True, a_week: float = 0.0, **values: tuple[str, ...]) -> Work:
    return Work(name, _WEB, _WEBS, "deploy", text, wanted, a_week, values)


_RULES = (
    free("support-opens", "support", f"{OPEN}, {READ}")
    + free("web-opens", "web", OPEN)
    + asking("support-writes", "support", WRITE, '"support-leads"')
    + asking("web-runs", "web", f'{RUN}, Action::"ssh.opaque"', '"web-leads"')
)

SHOP = Organisation(
    name="shop",
    principals=(
        *people("ada ben cleo dora emil fay", "support"),
        *people("gus hal ina jon kim", "web"),
        *people("lena mark nora ruth seb", "support-leads"),
        *people("olaf pia quin tess", "web-leads"),
    ),
    targets=(
        database("orders", "prod", "role=db"), database("ledger", "prod", "role=db"),
        *(machine(one, "prod", "role=web") for one in _WEBS), machine("pay-1", "prod", "role=pay"),
    ),
    rules={"shop.cedar": _RULES},
    routine=(
        _order("ship", "UPDATE orders SET status = {s} WHERE id = {id}", True, 14,
               s=quoted("shipped open held"), id=_ORDERS),
        _order("address", "UPDATE addresses SET checked = true WHERE order_id = {id}", True, 8, id=_ORDERS),
        _order("note", "INSERT INTO notes (order_id, kind) VALUES ({id}, 'call')", True, 8, id=_ORDERS),
        _web("purge", "cachectl purge {page}", True, 14, page=_PAGES),
        _web("reload", "shopctl reload-catalogue", True, 12),
    ),
    rare=(
        _order("cancel", "UPDATE orders SET cancelled_by = {who} WHERE id = {id}", True, 0.7,
               who=quoted("ada ben cleo dora"), id=_ORDERS),
        _web("rebuild", "shopctl rebuild-index --full", True, 0.5),
        _web("restart", "systemctl restart nginx", True, 2),
    ),
    mistakes=(
        _order("paid", "UPDATE orders SET status = 'paid' WHERE id = {id}", False, 0.5, id=_ORDERS),
        _order("every order", "UPDATE orders SET status = 'shipped'", False, 0.3),
        _order("any order", "UPDATE orders SET status = 'shipped' WHERE id = {id} OR true", False, 0.1, id=_ORDERS),
        _web("purge all", "cachectl purge /", False, 0.3),
        _web("restart sshd", "systemctl restart sshd", False, 0.3),
    ),
    schemes=(
        Scheme(_order("refund", "UPDATE orders SET refunded = total WHERE id = {id}", False, id=("10012", "10019")),
               1.0, by_two=True, again=True),
        Scheme(_web("purge admin", "cachectl purge /shop/../admin/keys", False), 0.6,
               ("cachectl --quiet purge /shop/../admin/keys", "cachectl purge --quiet /shop/../admin/keys")),
        Scheme(_web("catalogue of his own", "shopctl reload-catalogue --from http://198.51.100.7/c", False), 1.0,
               ("shopctl reload-catalogue -q --from http://198.51.100.7/c",), by_two=True),
    ),
    never=(
        _order("refunded status", "UPDATE orders SET status = 'refunded' WHERE id = {id}", False, id=_ORDERS),
        _order("other table", "UPDATE customers SET checked = true WHERE order_id = {id}", False, id=_ORDERS),
        _order("unchecked", "UPDATE addresses SET checked = false WHERE order_id = {id}", False, id=_ORDERS),
        _order("another kind", "INSERT INTO notes (order_id, kind) VALUES ({id}, 'waiver')", False, id=_ORDERS),
        Work("in the ledger", _SUPPORT, ("ledger",), "app",
             "UPDATE orders SET status = 'shipped' WHERE id = {id}", False, 0, {"id": _ORDERS}, "main"),
        Work("as admin", _SUPPORT, ("orders",), "admin",
             "UPDATE orders SET status = 'shipped' WHERE id = {id}", False, 0, {"id": _ORDERS}, "main"),
        Work("where money is", _WEB, ("pay-1",), "deploy", "shopctl reload-catalogue", False),
        Work("as root", _WEB, _WEBS, "root", "shopctl reload-catalogue", False),
        _web("outside the shop", "cachectl purge {page}", False,
             page=("/admin", "/shop", "/shop/products", "/shopping/x", "/etc/passwd", "/shop/products/../../etc")),
        _web("two at once", "shopctl reload-catalogue; shopctl wipe", False),
        _web("forced", "shopctl --force reload-catalogue", False),
    ),
    deciders=("support-leads", "web-leads"),
    engineers=("ada", "ben", "gus", "hal"),
    stamper="nora",
    view=schema_of(
        orders="id status total refunded cancelled_by", addresses="order_id checked",
        notes="order_id kind", customers="order_id checked",
    ),
)  # fmt: skip
