"""Whatever a client sends, by the service's own OpenAPI: an answer of the form that it promises, and never 500."""

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings, strategies

from tests.provisioning.clients import in_process

EXAMPLES = 60
MANY = 6000  # some ten minutes


@pytest.mark.parametrize("examples", [EXAMPLES, pytest.param(MANY, marks=pytest.mark.soak)])
def test_no_input_is_a_server_error(mirror: Path, examples: int) -> None:
    """Whatever fits the document, and what does not: a code that the document names, and `{error}` for a refusal.

    There is no Terraform, which is a 503: what is accepted would be run.
    """
    with in_process(mirror, is_open=True, terraform="no-such-terraform") as client:
        client.put("/api/deploy/projects/known", json={"iacCode": "# nothing"})
        document = client.get("/openapi.json").json()
        del document["paths"]["/api/deploy/events/{jobId}"]  # an answer without an end
        results: list[Any] = list(schemathesis.openapi.from_dict(document).get_all_operations())
        operations = [result.ok() for result in results]
        assert len(operations) > 12

        @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(strategies.one_of(*[operation.as_strategy() for operation in operations]))
        def send(case: Any) -> None:
            response = case.call(base_url=str(client.base_url))
            assert response.status_code < 500 or response.status_code == 503, response.text
            assert str(response.status_code) in case.operation.definition.raw["responses"], case.operation.label
            if response.status_code >= 400:
                assert "error" in response.json()

        send()
