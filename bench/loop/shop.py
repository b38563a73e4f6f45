"""A shop: support changes orders in a database, a web team looks after a few machines."""

from __future__ import annotations

from organisation import (
    OPEN,
    READ,
    RUN,
    WRITE,
    Desk,
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
_order = Desk(_SUPPORT, ("orders",), "app", "main")
_web = Desk(_WEB, _WEBS, "deploy")

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
        _order("ship", "UPDATE orders SET status = {s} WHERE id = {id}", 14,
               s=quoted("shipped open held"), id=_ORDERS),
        _order("address", "UPDATE addresses SET checked = true WHERE order_id = {id}", 8, id=_ORDERS),
        _order("note", "INSERT INTO notes (order_id, kind) VALUES ({id}, 'call')", 8, id=_ORDERS),
        _web("purge", "cachectl purge {page}", 14, page=_PAGES),
        _web("reload", "shopctl reload-catalogue", 12),
    ),
    rare=(
        _order("cancel", "UPDATE orders SET cancelled_by = {who} WHERE id = {id}", 0.7,
               who=quoted("ada ben cleo dora"), id=_ORDERS),
        _web("rebuild", "shopctl rebuild-index --full", 0.5),
        _web("restart", "systemctl restart nginx", 2),
    ),
    mistakes=(
        _order("paid", "UPDATE orders SET status = 'paid' WHERE id = {id}", 0.5, wanted=False, id=_ORDERS),
        _order("every order", "UPDATE orders SET status = 'shipped'", 0.3, wanted=False),
        _order("any order", "UPDATE orders SET status = 'shipped' WHERE id = {id} OR true", 0.1, wanted=False, id=_ORDERS),
        _web("purge all", "cachectl purge /", 0.3, wanted=False),
        _web("restart sshd", "systemctl restart sshd", 0.3, wanted=False),
    ),
    schemes=(
        Scheme(_order("refund", "UPDATE orders SET refunded = total WHERE id = {id}", wanted=False, id=("10012", "10019")),
               1.0, by_two=True, again=True),
        Scheme(_web("purge admin", "cachectl purge /shop/../admin/keys", wanted=False), 0.6,
               ("cachectl --quiet purge /shop/../admin/keys", "cachectl purge --quiet /shop/../admin/keys")),
        Scheme(_web("catalogue of his own", "shopctl reload-catalogue --from http://198.51.100.7/c", wanted=False), 1.0,
               ("shopctl reload-catalogue -q --from http://198.51.100.7/c",), by_two=True),
    ),
    never=(
        _order("refunded status", "UPDATE orders SET status = 'refunded' WHERE id = {id}", wanted=False, id=_ORDERS),
        _order("other table", "UPDATE customers SET checked = true WHERE order_id = {id}", wanted=False, id=_ORDERS),
        _order("unchecked", "UPDATE addresses SET checked = false WHERE order_id = {id}", wanted=False, id=_ORDERS),
        _order("another kind", "INSERT INTO notes (order_id, kind) VALUES ({id}, 'waiver')", wanted=False, id=_ORDERS),
        Work("in the ledger", _SUPPORT, ("ledger",), "app",
             "UPDATE orders SET status = 'shipped' WHERE id = {id}", wanted=False, values={"id": _ORDERS}, database="main"),
        Work("as admin", _SUPPORT, ("orders",), "admin",
             "UPDATE orders SET status = 'shipped' WHERE id = {id}", wanted=False, values={"id": _ORDERS}, database="main"),
        Work("where money is", _WEB, ("pay-1",), "deploy", "shopctl reload-catalogue", wanted=False),
        Work("as root", _WEB, _WEBS, "root", "shopctl reload-catalogue", wanted=False),
        _web("outside the shop", "cachectl purge {page}", wanted=False,
             page=("/admin", "/shop", "/shop/products", "/shopping/x", "/etc/passwd", "/shop/products/../../etc")),
        _web("two at once", "shopctl reload-catalogue; shopctl wipe", wanted=False),
        _web("forced", "shopctl --force reload-catalogue", wanted=False),
    ),
    deciders=("support-leads", "web-leads"),
    engineers=("ada", "ben", "gus", "hal"),
    stamper="nora",
    view=schema_of(
        orders="id status total refunded cancelled_by", addresses="order_id checked",
        notes="order_id kind", customers="order_id checked",
    ),
)  # fmt: skip
