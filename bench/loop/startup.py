"""A start-up: one team does everything, and three of it look at what the others do."""

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

_TEAM = ("team",)
_TENANTS = numbers(101, 30, 3)
_JOBS = numbers(70_001, 40, 11)


def _sql(name: str, text: str, wanted: bool = True, a_week: float = 0.0, **values: tuple[str, ...]) -> Work:
    return Work(name, _TEAM, ("app-db",), "app", text, wanted, a_week, values, "main")


def _run(name: str, text: str, wanted: bool = True, a_week: float = 0.0, **values: tuple[str, ...]) -> Work:
    return Work(name, _TEAM, ("app-1",), "deploy", text, wanted, a_week, values)


_RULES = (
    free("team-opens", "team", f"{OPEN}, {READ}")
    + asking("team-writes", "team", WRITE, '"leads"')
    + asking("team-runs", "team", f'{RUN}, Action::"ssh.opaque"', '"leads"')
)

STARTUP = Organisation(
    name="startup",
    principals=(*people("ann bo cy di ed", "team"), *people("flo guy hue ivo", "team", "leads")),
    targets=(
        database("app-db"), database("billing-db"), machine("app-1", "prod", "role=app"),
        machine("build-1", "prod", "role=build"),
    ),
    rules={"startup.cedar": _RULES},
    routine=(
        _sql("requeue", "UPDATE jobs SET state = 'queued' WHERE id = {id}", True, 11, id=_JOBS),
        _sql("resend", "UPDATE invitations SET sent_at = NULL WHERE id = {id}", True, 8, id=_JOBS),
        _sql("flag", "UPDATE flags SET enabled = true WHERE name = {flag}", True, 14,
             flag=quoted("beta_search dark_mode new_cart fast_feed big_fonts quick_pay")),
        _run("release", "shipctl release web", True, 11),
        _run("drain", "shipctl drain {n}", True, 8, n=numbers(1, 5, 1)),
    ),
    rare=(
        _sql("trial", "UPDATE tenants SET trial_ends = '2027-01-01' WHERE id = {id}", True, 0.7, id=_TENANTS),
        _run("rollback", "shipctl rollback web {n}", True, 0.5, n=numbers(300, 20, 1)),
        _run("restart", "systemctl restart app", True, 1.5),
    ),
    mistakes=(
        _sql("all queued", "UPDATE jobs SET state = 'queued'", False, 0.3),
        _sql("fraud checks off", "UPDATE flags SET enabled = true WHERE name = 'skip_fraud_checks'", False, 0.2),
        _run("release by hand", "shipctl release web --skip-checks", False, 0.4),
        _run("drain all", "shipctl drain --all", False, 0.2),
    ),
    schemes=(
        Scheme(_sql("free plan", "UPDATE tenants SET plan = 'free_forever' WHERE id = {id}", False,
                    id=("104", "107")), 0.8, by_two=True, again=True),
        Scheme(_sql("his own flag", "UPDATE flags SET enabled = true WHERE name = 'admin_everywhere'", False),
               0.8, by_two=True),
        Scheme(_run("his own release", "shipctl release web --image evil/web", False), 0.8,
               ("shipctl release web --image evil/web -q", "shipctl -q release web --image evil/web"),
               by_two=True, again=True),
    ),
    never=(
        _sql("another flag", "UPDATE flags SET enabled = true WHERE name = {flag}", False,
             flag=quoted("open_signup debug_sql bypass_sso")),
        _sql("flag off", "UPDATE flags SET enabled = false WHERE name = {flag}", False,
             flag=quoted("beta_search dark_mode new_cart")),
        _sql("done", "UPDATE jobs SET state = 'done' WHERE id = {id}", False, id=_JOBS),
        _sql("or true", "UPDATE jobs SET state = 'queued' WHERE id = {id} OR 1 = 1", False, id=_JOBS),
        _sql("gone", "DELETE FROM invitations WHERE id = {id}", False, id=_JOBS),
        Work("in billing", _TEAM, ("billing-db",), "app",
             "UPDATE jobs SET state = 'queued' WHERE id = {id}", False, 0, {"id": _JOBS}, "main"),
        Work("as admin", _TEAM, ("app-db",), "admin",
             "UPDATE jobs SET state = 'queued' WHERE id = {id}", False, 0, {"id": _JOBS}, "main"),
        Work("another database", _TEAM, ("app-db",), "app",
             "UPDATE jobs SET state = 'queued' WHERE id = {id}", False, 0, {"id": _JOBS}, "archive"),
        Work("where builds are", _TEAM, ("build-1",), "deploy", "shipctl release web", False),
        Work("as root", _TEAM, ("app-1",), "root", "shipctl release web", False),
        _run("another service", "shipctl release {which}", False, which=("billing", "gateway", "web2")),
        _run("and more", "shipctl release web && shipctl wipe web", False),
        _run("into a file", "shipctl release web > /etc/cron.d/x", False),
        _run("substituted", "shipctl release $(cat /tmp/x)", False),
    ),
    deciders=("leads",),
    engineers=("ann", "bo", "cy"),
    stamper="hue",
    view=schema_of(
        jobs="id state", invitations="id sent_at", flags="name enabled", tenants="id plan trial_ends"
    ),
)  # fmt: skip
