"""Keys: what each may, whose projects it knows of, how often it may call; and what stands in the audit."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.errors import FolderError, KeyNameError
from provisioning.keys import Keys, Scope
from provisioning.service import Service
from provisioning.store import COMPLETED, FINISHED, Wanted
from provisioning.surroundings import setup_of
from tests.provisioning.clients import Client, ended, in_process
from tests.provisioning.conftest import short_folder
from tests.provisioning.roots import SMALL

ROUTES = (
    ("GET", "/api/deploy/infrastructure/{project}", None),
    ("GET", "/api/deploy/validate/{project}", None),
    ("GET", "/api/deploy/costs/{project}", None),
    ("GET", "/api/deploy/costs/{project}?of=state", None),
    ("GET", "/api/deploy/outputs/{project}", None),
    ("GET", "/api/deploy/state/{project}", None),
    ("GET", "/api/deploy/drift/{project}", None),
    ("GET", "/api/deploy/jobs?projectId={project}", None),
    ("GET", "/api/deploy/status/{job}", None),
    ("GET", "/api/deploy/events/{job}", None),
    ("POST", "/api/deploy/cancel/{job}", None),
    ("POST", "/api/deploy/confirm/{job}", {"digest": "x"}),
    ("POST", "/api/deploy/destroy", {"projectId": "{project}"}),
)
WRITES = (
    ("POST", "/api/deploy", {"projectId": "{project}", "iacCode": SMALL}),
    ("PUT", "/api/deploy/projects/{project}", {"iacCode": SMALL}),
)
A, B = "farm-a", "farm-b"


class Farms:
    """Two farms of one service, each with a key of every right; B has a project and a job."""

    def __init__(self, client: Client) -> None:
        self.client = client
        keys = client.service.keys
        self.headers = {
            farm: {"Authorization": f"Bearer {keys.add(farm, ['admin', 'state-sensitive'], [farm])}"} for farm in (A, B)
        }
        store = client.service.store
        store.add_project("of-b", B)
        self.job_id = store.add_job(Wanted(id="deploy-1-abcdef", project_id="of-b", kind="deploy", by_key=B)).id
        store.change_job(self.job_id, status=COMPLETED, detail=FINISHED, ended_at=1.0)

    def ask(self, farm: str, row: Any, project: str, job_id: str) -> Any:
        """One call with a farm's key."""
        method, path, body = row
        named = body and {name: value.replace("{project}", project) for name, value in body.items()}
        url = path.format(project=project, job=job_id)
        return self.client.request(method, url, json=named, headers=self.headers[farm])


@pytest.fixture(scope="module")
def farms(mirror: Path) -> Iterator[Farms]:
    """A service that asks for keys, of any number of calls, and gives each farm a role of its own."""
    roles = {farm: f"arn:aws:iam::123456789012:role/{farm}" for farm in (A, B)}
    with in_process(mirror, calls_a_minute=10**6, roles=roles) as client:
        yield Farms(client)


@settings(max_examples=60)
@given(
    row=st.sampled_from(ROUTES),
    name=st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True),
    number=st.integers(2, 10**13),
)
def test_a_key_of_one_farm_sees_nothing_of_another(farms: Farms, row: Any, name: str, number: int) -> None:
    """Each route answers alike for what is another farm's and for what does not exist, but for the name asked for."""
    unknown = f"x{name}"
    theirs = farms.ask(A, row, "of-b", farms.job_id)
    nobodys = farms.ask(A, row, unknown, f"deploy-{number}-zzzzzz")
    assert theirs.status_code == nobodys.status_code == 404
    body = theirs.json()["error"].replace("of-b", "…").replace(farms.job_id, "…")
    assert body == nobodys.json()["error"].replace(unknown, "…").replace(f"deploy-{number}-zzzzzz", "…")


@pytest.mark.parametrize("row", WRITES)
def test_a_key_of_one_farm_writes_nothing_of_another(farms: Farms, row: Any) -> None:
    """403, and the project stays its farm's, without the code."""
    before = farms.client.service.store.project("of-b")
    assert farms.ask(A, row, "of-b", "").status_code == 403
    assert farms.client.service.store.project("of-b") == before
    assert list(farms.client.service.setup.place("of-b").folder.glob("*")) == []


def test_every_route_is_in_the_property(farms: Farms) -> None:
    """A route that is added has to say who may see what."""
    document = farms.client.get("/openapi.json").json()
    named = {(method, path.partition("?")[0]) for method, path, _ in (*ROUTES, *WRITES)}
    plain = {(method, path.format(project="P", job="P")) for method, path in named}
    routes = {
        (method.upper(), path.replace("{projectId}", "P").replace("{jobId}", "P"))
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert routes - plain == {("POST", "/api/iac")} | {("GET", "/api/deploy/jobs")} - plain


def test_a_list_shows_only_ones_own(farms: Farms) -> None:
    """All jobs are all of the key's farms."""
    jobs = {farm: farms.client.get("/api/deploy/jobs", headers=farms.headers[farm]).json()["jobs"] for farm in (A, B)}
    assert (jobs[A], [one["jobId"] for one in jobs[B]]) == ([], [farms.job_id])


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic x"}])
def test_without_a_key_nothing_opens(farms: Farms, header: dict[str, str]) -> None:
    """401, for routes that are there and routes that are not; only the documents of the routes are for everybody."""
    for method, path, _ in (*ROUTES, *WRITES, ("GET", "/nothing", None)):
        answer = farms.client.request(method, path.format(project="of-b", job=farms.job_id), headers=header)
        assert answer.status_code == 401
        assert list(answer.json()) == ["error"]


def test_each_scope_opens_its_own(farms: Farms) -> None:
    """Deny by default: a key of one scope gets 403 for what needs another."""
    service, client = farms.client.service, farms.client
    needs = {
        ("GET", "/api/deploy/infrastructure/of-b"): Scope.READ,
        ("GET", "/api/deploy/state/of-b"): Scope.STATE,
        ("POST", "/api/deploy/destroy"): Scope.DESTROY,
        ("POST", f"/api/deploy/cancel/{farms.job_id}"): Scope.APPLY,
    }
    for (method, path), scope in needs.items():
        for other in set(Scope) - {scope, Scope.ADMIN, Scope.STATE_SENSITIVE, Scope.READ}:
            secret = service.keys.add(f"{scope}-{other}", [other], [B])
            answer = client.request(
                method, path, json={"projectId": "of-b"}, headers={"Authorization": f"Bearer {secret}"}
            )
            assert answer.status_code == 403, (path, other, answer.text)


def test_a_revoked_key_opens_nothing(farms: Farms) -> None:
    """From that moment on."""
    secret = farms.client.service.keys.add("short", ["read"], [B])
    headers = {"Authorization": f"Bearer {secret}"}
    assert farms.client.get("/api/deploy/jobs", headers=headers).status_code == 200
    farms.client.service.keys.revoke("short")
    assert farms.client.get("/api/deploy/jobs", headers=headers).status_code == 401


def test_the_audit_says_who_did_what(farms: Farms) -> None:
    """A row for each call that may change something, refused ones too; reading leaves none."""
    rows = farms.client.service.store.database.all("SELECT key, call, status FROM audit")
    assert (A, "POST /api/deploy", 403) in rows
    assert not [call for _, call, _ in rows if call.startswith("GET")]


def test_the_sixty_first_call_of_a_minute_waits(mirror: Path) -> None:
    """429 with the time to come again, for this key alone."""
    with in_process(mirror, calls_a_minute=60) as client:
        one, two = ({"Authorization": f"Bearer {client.service.keys.add(n, ['read'], ['a'])}"} for n in ("one", "two"))
        codes = [client.get("/api/deploy/jobs", headers=one).status_code for _ in range(60)]
        assert set(codes) == {200}
        late = client.get("/api/deploy/jobs", headers=one)
        assert (late.status_code, int(late.headers["Retry-After"]) > 0) == (429, True)
        assert client.get("/api/deploy/jobs", headers=two).status_code == 200


def test_keys_of_two_farms_need_two_roles(mirror: Path) -> None:
    """Else the jobs of both would be one identity at AWS."""
    with short_folder() as folder:
        setup = setup_of(folder / "d", {"TF_MIRROR": str(mirror)})
        service = Service(setup, lambda: 0.0)
        for farm in (A, B):
            service.keys.add(farm, ["read"], [farm])
        service.start()
        service.close()
        with pytest.raises(FolderError, match="would share one identity"):
            Service(setup, lambda: 0.0)


def test_a_second_service_is_refused(mirror: Path) -> None:
    """While the first one lives."""
    with in_process(mirror, is_open=True) as client, pytest.raises(FolderError, match="another service"):
        Service(client.service.setup, lambda: 0.0)


@pytest.mark.parametrize(
    ("name", "scopes", "of"),
    [
        ("Bad Name", ["read"], ["a"]),
        ("open", ["read"], ["a"]),
        ("a", ["rule"], ["a"]),
        ("a", [], ["a"]),
        ("a", ["read"], []),
    ],
)
def test_keys_that_cannot_be(farms: Farms, name: str, scopes: list[str], of: list[str]) -> None:
    """Each mistake is one sentence."""
    with pytest.raises(KeyNameError):
        farms.client.service.keys.add(name, scopes, of)


def test_secrets_are_not_in_the_file(farms: Farms) -> None:
    """Only their hashes."""
    store = farms.client.service.store
    secret = Keys(store).add("hidden", ["read"], [B])
    files = store.database.path.parent.glob("provisioning.db*")
    assert not any(secret.encode() in file.read_bytes() for file in files)


def test_a_page_of_somebody_else_orders_nothing(mirror: Path) -> None:
    """Without keys, whoever's page is open in this machine's browser could: its Origin gives it away."""
    with in_process(mirror, is_open=True) as client:
        answer = client.post(
            "/api/deploy/destroy", json={"projectId": "a"}, headers={"Origin": "https://elsewhere.example"}
        )
        assert answer.status_code == 403
        assert client.get("/api/deploy/jobs", headers={"Host": "elsewhere.example"}).status_code == 421


def test_a_plan_above_the_keys_budget_waits(mirror: Path) -> None:
    """Also where nobody can say what it costs: then it is not known to be within."""
    with in_process(mirror, calls_a_minute=1_000_000) as client:
        headers = {"Authorization": f"Bearer {client.service.keys.add('poor', ['admin'], ['a'], 0.0)}"}
        body = {"projectId": "dear", "iacCode": SMALL}
        job_id = client.post("/api/deploy", json=body, headers=headers).json()["jobId"]
        # No clock: the job gets there by itself, and each answer is a look.
        jobs = (client.get(f"/api/deploy/status/{job_id}", headers=headers).json() for _ in itertools.count())
        job = next(job for job in jobs if job["detail"] in {"planned", "done"})
        if job["detail"] == "done":
            assert job["plan"]["costs"]["total"] == 0  # this installation can say
            return
        assert "within the key's 0.0" in job["plan"]["holds"][0]
        answer = client.post(f"/api/deploy/confirm/{job_id}", json={"digest": job["plan"]["digest"]}, headers=headers)
        assert answer.status_code == 403
        client.post(f"/api/deploy/cancel/{job_id}", headers=headers)
        assert ended(client, job_id, headers)["detail"] == "cancelled"
