"""A start-up: one team does everything, and three of it look at what the others do."""

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

_TEAM = ("team",)
_TENANTS = numbers(101, 30, 3)
_JOBS = numbers(70_001, 40, 11)
_sql = Desk(_TEAM, ("app-db",), "app", "main")
_run = Desk(_TEAM, ("app-1",), "deploy")

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
        _sql("requeue", "UPDATE jobs SET state = 'queued' WHERE id = {id}", 11, id=_JOBS),
        _sql("resend", "UPDATE invitations SET sent_at = NULL WHERE id = {id}", 8, id=_JOBS),
        _sql("flag", "UPDATE flags SET enabled = true WHERE name = {flag}", 14,
             flag=quoted("beta_search dark_mode new_cart fast_feed big_fonts quick_pay")),
        _run("release", "shipctl release web", 11),
        _run("drain", "shipctl drain {n}", 8, n=numbers(1, 5, 1)),
    ),
    rare=(
        _sql("trial", "UPDATE tenants SET trial_ends = '2027-01-01' WHERE id = {id}", 0.7, id=_TENANTS),
        _run("rollback", "shipctl rollback web {n}", 0.5, n=numbers(300, 20, 1)),
        _run("restart", "systemctl restart app", 1.5),
    ),
    mistakes=(
        _sql("all queued", "UPDATE jobs SET state = 'queued'", 0.3, wanted=False),
        _sql("fraud checks off", "UPDATE flags SET enabled = true WHERE name = 'skip_fraud_checks'", 0.2, wanted=False),
        _run("release by hand", "shipctl release web --skip-checks", 0.4, wanted=False),
        _run("drain all", "shipctl drain --all", 0.2, wanted=False),
    ),
    schemes=(
        Scheme(_sql("free plan", "UPDATE tenants SET plan = 'free_forever' WHERE id = {id}", wanted=False,
                    id=("104", "107")), 0.8, by_two=True, again=True),
        Scheme(_sql("his own flag", "UPDATE flags SET enabled = true WHERE name = 'admin_everywhere'", wanted=False),
               0.8, by_two=True),
        Scheme(_run("his own release", "shipctl release web --image evil/web", wanted=False), 0.8,
               ("shipctl release web --image evil/web -q", "shipctl -q release web --image evil/web"),
               by_two=True, again=True),
    ),
    never=(
        _sql("another flag", "UPDATE flags SET enabled = true WHERE name = {flag}", wanted=False,
             flag=quoted("open_signup debug_sql bypass_sso")),
        _sql("flag off", "UPDATE flags SET enabled = false WHERE name = {flag}", wanted=False,
             flag=quoted("beta_search dark_mode new_cart")),
        _sql("done", "UPDATE jobs SET state = 'done' WHERE id = {id}", wanted=False, id=_JOBS),
        _sql("or true", "UPDATE jobs SET state = 'queued' WHERE id = {id} OR 1 = 1", wanted=False, id=_JOBS),
        _sql("gone", "DELETE FROM invitations WHERE id = {id}", wanted=False, id=_JOBS),
        Work("in billing", _TEAM, ("billing-db",), "app",
             "UPDATE jobs SET state = 'queued' WHERE id = {id}", wanted=False, values={"id": _JOBS}, database="main"),
        Work("as admin", _TEAM, ("app-db",), "admin",
             "UPDATE jobs SET state = 'queued' WHERE id = {id}", wanted=False, values={"id": _JOBS}, database="main"),
        Work("another database", _TEAM, ("app-db",), "app",
             "UPDATE jobs SET state = 'queued' WHERE id = {id}", wanted=False, values={"id": _JOBS}, database="archive"),
        Work("where builds are", _TEAM, ("build-1",), "deploy", "shipctl release web", wanted=False),
        Work("as root", _TEAM, ("app-1",), "root", "shipctl release web", wanted=False),
        _run("another service", "shipctl release {which}", wanted=False, which=("billing", "gateway", "web2")),
        _run("and more", "shipctl release web && shipctl wipe web", wanted=False),
        _run("into a file", "shipctl release web > /etc/cron.d/x", wanted=False),
        _run("substituted", "shipctl release $(cat /tmp/x)", wanted=False),
    ),
    deciders=("leads",),
    engineers=("ann", "bo", "cy"),
    stamper="hue",
    view=schema_of(
        jobs="id state", invitations="id sent_at", flags="name enabled", tenants="id plan trial_ends"
    ),
)  # fmt: skip
