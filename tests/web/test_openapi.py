"""The document of the API says what is served: checked by drawn calls against a running gateway."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from support.api_callers import AskingGateway
from support.approval_world import OWNER

from gatekeep.web.approvals import OPERATIONS
from gatekeep.web.openapi import document

LONGEST_QUERY = 8000
CASES = [
    (one.name, mode)
    for one in OPERATIONS
    for mode in GenerationMode
    # an address that takes nothing but a name cannot be called wrongly
    if one.takes is not None or mode is GenerationMode.POSITIVE
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AskingGateway]:
    """A gateway with something of everything: requests, a grant, a review, a delegation, suggestions."""
    made = AskingGateway(tmp_path_factory.mktemp("openapi"))
    made.start()
    made.wait(_furnish(made))
    yield made
    made.stop()


async def _furnish(gateway: AskingGateway) -> None:
    world = gateway.world
    approvals = world.needs().approvals
    assert approvals is not None
    approvals.waits.end()  # a drawn `wait_s` is answered at once
    for text in ("DELETE FROM a;", "DELETE FROM b;", "UPDATE c SET d = 'é';"):
        await world.held(text)


@pytest.fixture(scope="module")
def schema(gateway: AskingGateway) -> Any:
    """The document as it is served."""
    url = f"{gateway.url}/api/v1/openapi.json"
    loaded = schemathesis.openapi.from_url(url, headers=_headers(gateway))
    loaded.config.update(base_url=gateway.url)
    # what policy, a decision or another vote forbids is refused however well it is formed
    accepted = loaded.config.checks.positive_data_acceptance
    accepted.expected_statuses = ["2xx", "400", "401", "403", "404", "409"]
    rejected = loaded.config.checks.negative_data_rejection
    rejected.expected_statuses = ["400", "404", "405", "413", "415"]
    return loaded


def _headers(gateway: AskingGateway) -> dict[str, str]:
    return {"Authorization": f"Bearer {gateway.token_file('bob').read_text().strip()}"}


def _operation(schema: Any, name: str) -> Any:
    return next(
        found.ok()
        for found in schema.get_all_operations()
        if found.ok().definition.raw["operationId"] == name
    )


def _checked(
    gateway: AskingGateway, schema: Any, name: str, mode: GenerationMode, examples: int
) -> None:
    """Drawn calls of one operation, well formed or not; about half of them name what exists."""
    operation = _operation(schema, name)
    ids = gateway.wait(_ids(gateway))
    session = requests.Session()

    @settings(
        max_examples=examples, database=None, derandomize=examples < 100,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode), known=st.sampled_from([*ids, ""]))
    def drawn(case: Any, known: str) -> None:
        if known and "id" in (case.path_parameters or {}):
            case.path_parameters["id"] = known
        # longer ones never reach the application
        assume(len(urlencode(case.query or {}, doseq=True)) < LONGEST_QUERY)
        case.call_and_validate(session=session, headers=_headers(gateway))

    try:
        drawn()
    finally:
        session.close()


async def _ids(gateway: AskingGateway) -> list[str]:
    desk = gateway.world.desk
    kept = [*await desk.requests(limit=3), *await desk.reviews(OWNER), *await desk.delegations(OWNER)]
    loop = gateway.world.loop
    return [
        *(one.id for one in kept), *(one.id for one in (await desk.grants(live=False))[:1]),
        *loop.lives, *loop.kept_samples,
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_what_is_served_is_what_is_documented(
    gateway: AskingGateway, schema: Any, name: str, mode: GenerationMode
) -> None:
    """Statuses, types and shapes of all answers; nothing malformed is accepted, nothing breaks."""
    _checked(gateway, schema, name, mode, 12)


@pytest.mark.soak
@pytest.mark.parametrize(("name", "mode"), CASES)
def test_what_is_served_is_what_is_documented_at_length(
    gateway: AskingGateway, schema: Any, name: str, mode: GenerationMode
) -> None:
    """The same with many more calls."""
    _checked(gateway, schema, name, mode, 200)


def test_the_document_is_made_of_the_table(schema: Any) -> None:
    """Every address, and nothing else; each with its errors, and nobody's internals."""
    raw = schema.raw_schema
    assert raw == document(OPERATIONS)
    listed = {
        described["operationId"]: (method.upper(), path)
        for path, methods in raw["paths"].items()
        for method, described in methods.items()
    }
    assert listed == {one.name: (one.method, f"/api{one.path}") for one in OPERATIONS}
    assert raw["openapi"] == "3.1.0"
    schema.validate()


def test_the_document_needs_a_caller(gateway: AskingGateway, tmp_path: Path) -> None:
    """Like every address."""
    answer = requests.get(f"{gateway.url}/api/v1/openapi.json", timeout=20)
    assert answer.status_code == 401
