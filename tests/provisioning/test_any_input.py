"""Whatever a client sends, by the service's own OpenAPI: an answer of the form that it promises, and never 500."""

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings, strategies
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from provisioning.store import COMPLETED, FINISHED, Wanted
from tests.provisioning.clients import Client, in_process

EXAMPLES = 250
MANY = 12_000  # some ten minutes
PROMISES = [status_code_conformance, content_type_conformance, response_schema_conformance]
PROJECT, JOB = "known", "deploy-1-known0"


def furnish(client: Client) -> None:
    """A project with code, and a job that has ended."""
    assert client.put(f"/api/deploy/projects/{PROJECT}", json={"iacCode": "# nothing"}).status_code == 200
    store = client.service.store
    with store.transaction():
        store.add_job(Wanted(id=JOB, project_id=PROJECT, kind="deploy", by_key="open"))
        store.change_job(JOB, status=COMPLETED, detail=FINISHED, ended_at=store.now())


def aim(case: Any) -> None:
    """At the project and the job that are there: what is made up hardly ever names them."""
    known = {"projectId": PROJECT, "jobId": JOB}
    for place in (case.path_parameters, case.body, case.query):
        if isinstance(place, dict):
            place.update({name: value for name, value in known.items() if name in place})


@pytest.mark.parametrize(
    "examples", [EXAMPLES, pytest.param(MANY, marks=[pytest.mark.soak, pytest.mark.timeout(3 * 3600)])]
)
def test_no_input_is_a_server_error(mirror: Path, examples: int) -> None:
    """Whatever fits the document, and what does not: a code, a type and a form that the document names.

    There is no Terraform, which is a 503: what is accepted would be run.
    """
    codes: dict[int, int] = {}
    with in_process(mirror, is_open=True, terraform="no-such-terraform") as client:
        furnish(client)
        document = client.get("/openapi.json").json()
        results: list[Any] = list(schemathesis.openapi.from_dict(document).get_all_operations())
        operations = [result.ok() for result in results]
        assert len(operations) > 13

        cases = [one.as_strategy(generation_mode=mode) for one in operations for mode in GenerationMode]

        @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(strategies.one_of(*cases), strategies.booleans())
        def send(case: Any, is_aimed: bool) -> None:
            if is_aimed:
                aim(case)
            response = case.call(base_url=str(client.base_url))
            codes[response.status_code] = codes.get(response.status_code, 0) + 1
            assert response.status_code < 500 or response.status_code == 503, response.text
            case.validate_response(response, checks=PROMISES)
            if response.status_code >= 400:
                assert isinstance(response.json()["error"], str)

        send()
    print(examples, "examples:", dict(sorted(codes.items())))  # noqa: T201 - a figure of the soak
    assert {200, 404, 422, 503} <= set(codes), "the examples reach too little"
