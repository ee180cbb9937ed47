"""Keys: what each may, whose projects it knows of, how often it may call; and what stands in the audit."""

import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.code import write_file
from provisioning.errors import FolderError, KeyNameError
from provisioning.keys import Keys, Pace, Scope
from provisioning.service import Service
from provisioning.states import EMPTY
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
    ("GET", "/api/deploy/snapshots/{project}", None),
    ("POST", "/api/deploy/restore", {"projectId": "{project}", "snapshot": 1}),
)
WRITES = (
    ("POST", "/api/deploy", {"projectId": "{project}", "iacCode": SMALL}),
    ("PUT", "/api/deploy/projects/{project}", {"iacCode": SMALL}),
)
A, B = "farm-a", "farm-b"
READS, STATES = [{Scope.READ}], [{Scope.STATE}, {Scope.STATE_SENSITIVE}]
# Which scopes are enough, beside `admin`; None: no scope opens it, and no scope is needed to be told so.
NEEDS: dict[tuple[str, str], list[set[Scope]] | None] = {
    ("POST", "/api/deploy"): [{Scope.APPLY}],
    ("POST", "/api/deploy/destroy"): [{Scope.DESTROY}],
    ("POST", "/api/deploy/cancel/{jobId}"): [{Scope.READ, Scope.APPLY}],
    ("POST", "/api/deploy/confirm/{jobId}"): [{Scope.READ, Scope.APPLY}],
    ("PUT", "/api/deploy/projects/{projectId}"): [{Scope.PLAN}],
    ("GET", "/api/deploy/status/{jobId}"): READS,
    ("GET", "/api/deploy/events/{jobId}"): READS,
    ("GET", "/api/deploy/jobs"): READS,
    ("GET", "/api/deploy/infrastructure/{projectId}"): READS,
    ("GET", "/api/deploy/validate/{projectId}"): READS,
    ("GET", "/api/deploy/costs/{projectId}"): READS,
    ("GET", "/api/deploy/outputs/{projectId}"): READS,
    ("GET", "/api/deploy/drift/{projectId}"): READS,
    ("GET", "/api/deploy/snapshots/{projectId}"): READS,
    ("GET", "/api/deploy/health"): READS,
    ("POST", "/api/deploy/restore"): [{Scope.APPLY}],
    ("GET", "/api/deploy/state/{projectId}"): STATES,
    ("POST", "/api/iac"): None,
}


class Farms:
    """Two farms of one service, each with a key of every right; B has a project and a job."""

    def __init__(self, client: Client) -> None:
        self.client = client
        keys = client.service.keys
        self.headers = {
            farm: {"Authorization": f"Bearer {keys.add(farm, ['admin', 'state-sensitive'], [farm])}"} for farm in (A, B)
        }
        self.job_id = "deploy-1-abcdef"
        self.serials = itertools.count(2)
        self.add("of-b", self.job_id)

    def add(self, project: str, job_id: str) -> None:
        """A project of B's, with a job that has ended."""
        store = self.client.service.store
        with store.transaction():
            store.add_project(project, B)
            store.add_job(Wanted(id=job_id, project_id=project, kind="deploy", by_key=B))
            store.change_job(job_id, status=COMPLETED, detail=FINISHED, ended_at=1.0)

    def call(self, secret: str, method: str, path: str) -> int:
        """One call with a key, of B's project and job; gives the code."""
        [body] = [body for *row, body in (*ROUTES, *WRITES) if same(row, (method, path))] or [None]
        named = filled(body, "of-b")
        url = path.replace("{projectId}", "of-b").replace("{jobId}", self.job_id)
        headers = {"Authorization": f"Bearer {secret}", "Last-Event-ID": str(2**53)}  # no stream is begun
        return self.client.request(method, url, json=named, headers=headers).status_code

    def ask(self, farm: str, row: Any, project: str, job_id: str) -> Any:
        """One call with a farm's key."""
        method, path, body = row
        named = filled(body, project)
        url = path.format(project=project, job=job_id)
        return self.client.request(method, url, json=named, headers=self.headers[farm])


def filled(body: Any, project: str) -> Any:
    """A body for a project, if there is one."""
    return body and {name: project if value == "{project}" else value for name, value in body.items()}


def same(row: Any, route: tuple[str, str]) -> bool:
    """True for a row of ours that is of a route."""
    names = (row[0], row[1].partition("?")[0].replace("{project}", "{projectId}").replace("{job}", "{jobId}"))
    return names == route and "?of=" not in row[1]


@pytest.fixture(scope="module")
def farms(mirror: Path) -> Iterator[Farms]:
    """A service that asks for keys, of any number of calls, and gives each farm a role of its own."""
    roles = {farm: f"arn:aws:iam::123456789012:role/{farm}" for farm in (A, B)}
    with in_process(mirror, calls_a_minute=10**6, roles=roles, terraform="no-such-terraform") as client:
        yield Farms(client)


@settings(max_examples=60)
@given(row=st.sampled_from(ROUTES), name=st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True))
def test_a_key_of_one_farm_sees_nothing_of_another(farms: Farms, row: Any, name: str) -> None:
    """What is another farm's is answered as before it was there: the same code, the same bytes, the same headers."""
    serial = next(farms.serials)
    project, job_id = f"{name}-{serial}", f"deploy-{serial}-zzzzzz"
    nobodys = farms.ask(A, row, project, job_id)
    farms.add(project, job_id)
    theirs = farms.ask(A, row, project, job_id)
    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.content == nobodys.content
    assert plain(theirs) == plain(nobodys)
    assert farms.ask(B, row, project, job_id).content != theirs.content


def plain(answer: Any) -> dict[str, str]:
    """Its headers but for the time of the day."""
    return {name: value for name, value in answer.headers.items() if name.lower() != "date"}


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
    assert (
        routes - plain == {("POST", "/api/iac")} | {("GET", "/api/deploy/jobs"), ("GET", "/api/deploy/health")} - plain
    )


def test_a_list_shows_only_ones_own(farms: Farms) -> None:
    """All jobs are all of the key's farms."""
    jobs = {farm: farms.client.get("/api/deploy/jobs", headers=farms.headers[farm]).json()["jobs"] for farm in (A, B)}
    assert jobs[A] == []
    assert jobs[B]


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic x"}])
def test_without_a_key_nothing_opens(farms: Farms, header: dict[str, str]) -> None:
    """401, for routes that are there and routes that are not; only the documents of the routes are for everybody."""
    for method, path, _ in (*ROUTES, *WRITES, ("GET", "/nothing", None)):
        answer = farms.client.request(method, path.format(project="of-b", job=farms.job_id), headers=header)
        assert answer.status_code == 401
        assert list(answer.json()) == ["error"]


def test_every_scope_opens_its_routes_and_no_other(farms: Farms) -> None:
    """Deny by default: with each scope, and each beside `read`, a route says 403 but to those that it names."""
    document = farms.client.get("/openapi.json").json()
    routes = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert routes == {(method, path.partition("?")[0]) for method, path in NEEDS}, "a route does not say who may use it"
    for have in [{scope, *more} for scope in Scope for more in ([], [Scope.READ])]:
        secret = farms.client.service.keys.add(f"only-{next(farms.serials)}", have, [B])
        for (method, path), needs in NEEDS.items():
            may = needs is None or Scope.ADMIN in have or any(enough <= have for enough in needs)
            code = farms.call(secret, method, path)
            assert (code != 403) == may, (method, path, have, code)


def test_a_project_is_of_the_farm_that_the_body_names(farms: Farms) -> None:
    """A key of several farms has to say which; what it posted is that farm's alone, and no body moves it."""
    secrets: dict[tuple[str, ...], str] = {
        of: farms.client.service.keys.add(f"of-{'-'.join(of)}", ["plan", "read"], of) for of in ((A, B), (A,), (B,))
    }

    def put(of: tuple[str, ...], **more: str) -> Any:
        headers = {"Authorization": f"Bearer {secrets[of]}"}
        return farms.client.put("/api/deploy/projects/of-which", json={"iacCode": "#", **more}, headers=headers)

    unsaid = put((A, B))
    assert (unsaid.status_code, "say farm: one of farm-a, farm-b" in unsaid.json()["error"]) == (422, True)
    assert put((A, B), farm="farm-c").status_code == 403
    assert put((A, B), farm=B).status_code == 200
    assert put((A, B)).status_code == 200  # it is known by now
    assert put((A, B), farm=A).status_code == 403
    assert put((A,)).status_code == 403
    assert put((B,), farm=B).status_code == 200
    assert farms.client.service.store.project("of-which").farm == B


def test_state_is_shown_by_what_a_key_may(farms: Farms) -> None:
    """Reading shows no value, `state` and `admin` none that is sensitive, `state-sensitive` all."""
    farms.add("of-state", "deploy-1-states")
    one = {"attributes": {"id": "i-1", "password": "hidden-word"}, "sensitive_attributes": []}
    rows = [{"mode": "managed", "type": "t", "name": "n", "instances": [one]}]
    place = farms.client.service.setup.place("of-state")
    write_file(place.snapshots / "000000001.tfstate", json.dumps({**EMPTY, "resources": rows}).encode())
    shown = {}
    for scopes in (("read",), ("read", "state"), ("admin",), ("read", "state-sensitive")):
        secret = farms.client.service.keys.add(f"shows-{'-'.join(scopes)}", scopes, [B])
        headers = {"Authorization": f"Bearer {secret}"}
        text = farms.client.get("/api/deploy/infrastructure/of-state", headers=headers).text
        state = farms.client.get("/api/deploy/state/of-state", headers=headers)
        assert state.status_code == (403 if scopes == ("read",) else 200)
        assert "hidden-word" not in text or "hidden-word" in state.text
        shown[scopes] = ("i-1" in text, "hidden-word" in text)
    assert list(shown.values()) == [(False, False), (True, False), (True, False), (True, True)]


def test_who_may_plan_takes_no_protection_away(farms: Farms) -> None:
    """Only who may destroy a project may say that its destroy needs no second word."""
    farms.add("of-guard", "deploy-1-guards")
    farms.client.service.store.change_project("of-guard", is_protected=True)
    for scopes, code in ((("plan",), 403), (("plan", "destroy"), 200)):
        secret = farms.client.service.keys.add(f"guards-{'-'.join(scopes)}", scopes, [B])
        answer = farms.client.put(
            "/api/deploy/projects/of-guard",
            json={"iacCode": "#", "protect": False},
            headers={"Authorization": f"Bearer {secret}"},
        )
        assert answer.status_code == code
        assert farms.client.service.store.project("of-guard").is_protected == (code == 403)


def test_a_farm_that_comes_later_needs_a_role_too(mirror: Path) -> None:
    """A key that is added while the service runs opens no second farm over the first one's identity at AWS."""
    with in_process(mirror) as client:
        for farm, code in ((A, 200), (B, 403)):
            headers = {"Authorization": f"Bearer {client.service.keys.add(farm, ['plan'], [farm])}"}
            answer = client.put(f"/api/deploy/projects/{farm}", json={"iacCode": "#"}, headers=headers)
            assert answer.status_code == code
        assert "--role farm-b=ARN" in answer.json()["error"]
        assert A not in answer.json()["error"]


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
    """429 with the time to come again, for this key alone; then it has calls again."""
    clock = [1000.0]
    with in_process(mirror, terraform="no-such-terraform") as client:
        client.service.pace = Pace(client.service.setup.calls_a_minute, lambda: clock[0])
        one, two = ({"Authorization": f"Bearer {client.service.keys.add(n, ['read'], ['a'])}"} for n in ("one", "two"))
        codes = [client.get("/api/deploy/jobs", headers=one).status_code for _ in range(60)]
        assert set(codes) == {200}
        late = client.get("/api/deploy/jobs", headers=one)
        assert late.status_code == 429
        assert client.get("/api/deploy/jobs", headers=two).status_code == 200
        clock[0] += int(late.headers["Retry-After"])
        assert client.get("/api/deploy/jobs", headers=one).status_code == 200


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
    """Only their hashes, nor in a log."""
    store = farms.client.service.store
    secret = Keys(store).add("hidden", ["read"], [B])
    farms.client.get("/api/deploy/jobs", headers={"Authorization": f"Bearer {secret}"})
    farms.client.post("/api/deploy/destroy", json={}, headers={"Authorization": f"Bearer {secret}"})
    files = [*store.database.path.parent.glob("provisioning.db*"), *store.database.path.parent.glob("logs/*")]
    assert not any(secret.encode() in file.read_bytes() for file in files)


def test_a_page_of_somebody_else_orders_nothing(mirror: Path) -> None:
    """Without keys, whoever's page is open in this machine's browser could: its Origin gives it away."""
    with in_process(mirror, is_open=True) as client:
        answer = client.post(
            "/api/deploy/destroy", json={"projectId": "a"}, headers={"Origin": "https://elsewhere.example"}
        )
        assert answer.status_code == 403
        assert client.get("/api/deploy/jobs", headers={"Host": "elsewhere.example"}).status_code == 421


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
def test_who_comes_through_a_proxy_is_not_on_this_machine(mirror: Path, header: str) -> None:
    """Without keys nothing is for them, not even to read: a proxy would open the service to the world."""
    with in_process(mirror, is_open=True) as client:
        assert client.get("/api/deploy/jobs", headers={header: "203.0.113.9"}).status_code == 403
        assert client.get("/api/deploy/jobs").status_code == 200


@pytest.mark.parametrize("most", [-1.0, math.nan, math.inf])
def test_a_budget_is_a_sum(farms: Farms, most: float) -> None:
    """Of `nan` no plan would be above it."""
    with pytest.raises(KeyNameError, match="no sum of USD"):
        farms.client.service.keys.add("rich", ["apply"], ["a"], most)


def test_a_plan_above_the_keys_budget_waits(mirror: Path) -> None:
    """Also where nobody can say what it costs: then it is not known to be within."""
    with in_process(mirror, calls_a_minute=10**6) as client:
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
