"""A company that runs machines for others: nearly all work is commands over SSH."""

from __future__ import annotations

from organisation import (
    OPEN,
    RUN,
    Desk,
    Organisation,
    Scheme,
    Work,
    asking,
    free,
    machine,
    numbers,
    people,
)

_ON_CALL = ("on-call",)
_EDGE = ("edge",)
_APPS = ("app-1", "app-2", "app-3")
_EDGES = ("edge-1", "edge-2")
_SITES = tuple(
    f"/sites/a/{which}"
    for which in ("home", "news", "blog", "shop", "help", "docs", "jobs", "press", "legal", "team")
)
_app = Desk(_ON_CALL, _APPS, "deploy")
_edge = Desk(_EDGE, _EDGES, "deploy")

_ANY = f'{RUN}, Action::"ssh.opaque"'
_RULES = (
    free("on-call-opens", "on-call", OPEN) + free("edge-opens", "edge", OPEN)
    + asking("on-call-runs", "on-call", _ANY, '"duty-leads"')
    + asking("edge-runs", "edge", _ANY, '"duty-leads", "network"', risk="")
)

OPERATIONS = Organisation(
    name="operations",
    principals=(
        *people("alf bob cat dan eve fox", "on-call"), *people("gem hob ivy jay", "edge"),
        *people("kit lee max pat", "duty-leads"), *people("nat oz roy", "network"),
    ),
    targets=(
        *(machine(one, "prod", "role=app") for one in _APPS), *(machine(one, "prod", "role=edge") for one in _EDGES),
        machine("vault-1", "prod", "role=vault"),
    ),
    rules={"operations.cedar": _RULES},
    routine=(
        _app("retry", "queuectl retry {n}", 14, n=numbers(8_001, 6, 3)),
        _app("reap", "queuectl reap --idle -n", 11),
        _app("rotate", "poolctl rotate blue", 12),
        _edge("ban", "varnishadm ban {page}", 14, page=_SITES),
        _edge("weights", "balancectl weight app-1 {n}", 10, n=numbers(10, 5, 20)),
        _app("restart", "systemctl restart worker", 4),
    ),
    rare=(
        _app("rotate green", "poolctl rotate green", 0.5),
        _edge("certificates", "certctl renew edge", 0.6),
        _app("full disk", "rm -f /var/cache/app/pages.tmp", 1.0),
    ),
    mistakes=(
        _app("retry all", "queuectl retry --all", 0.4, wanted=False),
        _app("rotate both", "poolctl rotate blue green", 0.3, wanted=False),
        _app("restart sshd", "systemctl restart sshd", 0.3, wanted=False),
        _edge("ban all", "varnishadm ban /", 0.4, wanted=False),
    ),
    schemes=(
        Scheme(_app("reap into a hook", "queuectl reap --idle -n --hook /tmp/h", wanted=False), 1.0,
               ("queuectl reap -n --idle --hook /tmp/h", "queuectl --hook /tmp/h reap --idle -n"), by_two=True,
               again=True),
        Scheme(_edge("ban from elsewhere", "varnishadm -T 198.51.100.7:80 ban /sites/a/home", wanted=False), 0.8,
               ("varnishadm -T 198.51.100.8:80 ban /sites/a/home",), by_two=True),
        Scheme(_app("a key", "tee -a /home/deploy/.ssh/authorized_keys", wanted=False), 0.5, again=True),
    ),
    never=(
        _app("another pool", "poolctl rotate {which}", wanted=False, which=("canary", "vault", "all")),
        _app("another verb", "poolctl destroy blue", wanted=False),
        _app("joined", "queuectl reap --idle -n; queuectl wipe", wanted=False),
        _app("piped", "queuectl retry 8001 | tee /etc/cron.d/x", wanted=False),
        _app("assigned", "LD_PRELOAD=/tmp/x.so poolctl rotate blue", wanted=False),
        _app("by sudo", "sudo poolctl rotate blue", wanted=False),
        _app("not numbers", "queuectl retry {n}", wanted=False, n=("all", "'*'", "/srv/list", "-1")),
        _edge("another customer", "varnishadm ban {page}", wanted=False,
              page=("/sites/b/home", "/sites/ab/home", "/sites/a", "/sites/a/../b/home", "/etc/passwd")),
        _edge("another backend", "balancectl weight app-2 {n}", wanted=False, n=("0", "10", "20")),
        Work("where secrets are", _ON_CALL, ("vault-1",), "deploy", "poolctl rotate blue", wanted=False),
        Work("on the edge", _ON_CALL, _EDGES, "deploy", "poolctl rotate blue", wanted=False),
        Work("as root", _ON_CALL, _APPS, "root", "poolctl rotate blue", wanted=False),
    ),
    deciders=("duty-leads", "network"),
    engineers=("alf", "bob", "gem"),
    stamper="max",
)  # fmt: skip
