"""What a job of provisioning costs beside Terraform by hand, its status route beside an empty one, and a long queue.

Deploys run against an AWS API on loopback, in pairs, whose order turns each time: as a job, and as a person's commands.
"""

import argparse
import http.client
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil

from local_cloud.aws import environment
from provisioning import surroundings
from tests.provisioning.conftest import aws_api, short_folder
from tests.provisioning.house import ROOT, House
from tests.provisioning.roots import SMALL, TWELVE
from tests.waiting import free_port, until_true

PLAN = "by-hand.tfplan"
COMMANDS: dict[str, Sequence[str]] = {
    "init": ("init", "-input=false"),
    "validate": ("validate", "-json"),
    "plan": ("plan", "-input=false", f"-out={PLAN}"),
    "show": ("show", "-json", PLAN),
    "apply": ("apply", "-input=false", PLAN),
    "output": ("output", "-json"),
    "state pull": ("state", "pull"),
}
SHORTEST = ("init", "plan", "apply")
WAYS = ("job", "by hand", "shortest")
CALLERS = 8
EMPTY = """
import sys, fastapi, uvicorn
app = fastapi.FastAPI()
@app.get("/")
def nothing() -> dict[str, str]:
    return {}
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
"""


def mirror() -> Path:
    """The folder of providers that this machine has."""
    subprocess.run([ROOT / "scripts" / "terraform", "version"], check=True, capture_output=True)
    return Path(os.environ.get("TF_MIRROR") or (ROOT / "build" / "terraform" / "mirror").read_text().strip())


class Spent(NamedTuple):
    """Seconds of a deploy: on the clock, and of the processor, its children's included."""

    clock: float
    cpu: float


def cpu_of_children() -> float:
    """Seconds of the processor of those that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class ByHand:
    """A person's folder, with the environment of the service's children but for GOGC, and nobody between commands."""

    def __init__(self, folder: Path, aws: dict[str, str]) -> None:
        setup = surroundings.setup_of(folder, {**aws, "TF_MIRROR": str(mirror())})
        self._root = folder / "root"
        self._root.mkdir(parents=True)
        (self._root / "main.tf").write_text(TWELVE)
        surroundings.write_cli(setup)
        surroundings.temporary(setup, setup.place("by-hand")).mkdir(parents=True)
        self._variables = surroundings.environment(setup, "irrigation", "by-hand", folder / "phase", aws)
        del self._variables["GOGC"]  # no person sets it
        self._program = setup.program()

    def deploy(self) -> dict[str, Spent]:
        """Each command."""
        return {name: self._run(*words) for name, words in COMMANDS.items()}

    def destroy(self) -> None:
        """Everything goes, and what `init` made: a job begins without it, too."""
        self._run("destroy", "-auto-approve", "-input=false")
        for name in (PLAN, "terraform.tfstate", "terraform.tfstate.backup", ".terraform.lock.hcl"):
            (self._root / name).unlink(missing_ok=True)
        shutil.rmtree(self._variables["TF_DATA_DIR"])

    def _run(self, *words: str) -> Spent:
        begin, before = time.perf_counter(), cpu_of_children()
        command = [self._program, *words]
        subprocess.run(command, cwd=self._root, env=self._variables, check=True, stdout=subprocess.DEVNULL)
        return Spent(time.perf_counter() - begin, cpu_of_children() - before)


def by_job(house: House) -> float:
    """Seconds from the POST until its events have ended."""
    begin = time.perf_counter()
    job_id = house.deploy("twelve", TWELVE)
    with urllib.request.urlopen(f"{house.url}/api/deploy/events/{job_id}") as events:  # noqa: S310 - our own service
        events.read()
    seconds = time.perf_counter() - begin
    job = house.job(job_id)
    if job["status"] != "completed":
        raise SystemExit(f"provisioning: {job['error']}")
    return seconds


def spent_by_job(house: House) -> Spent:
    """A deploy as a job, and its end."""
    assert house.process is not None
    service = psutil.Process(house.process.pid)
    before = sum(service.cpu_times()[:4])
    seconds = by_job(house)
    cpu_s = sum(service.cpu_times()[:4]) - before
    house.end(house.destroy("twelve"))
    return Spent(seconds, cpu_s)


def spent_by_hand(hand: ByHand) -> tuple[Spent, Spent]:
    """A deploy by all commands, and what the shortest took of it; and its end."""
    rows = hand.deploy()
    hand.destroy()
    all_, shortest = ([rows[name] for name in names] for names in (COMMANDS, SHORTEST))
    return _sum(all_), _sum(shortest)


def _sum(rows: Sequence[Spent]) -> Spent:
    return Spent(sum(row.clock for row in rows), sum(row.cpu for row in rows))


def compare_deploys(house: House, hand: ByHand, pairs: int) -> bool:
    """Print the ratios; True if both hold. Those of the processor help to understand them."""
    rows: list[tuple[Spent, Spent, Spent]] = []
    for number in range(pairs):
        if number % 2:
            job = spent_by_job(house)
            all_, shortest = spent_by_hand(hand)
        else:
            all_, shortest = spent_by_hand(hand)
            job = spent_by_job(house)
        rows.append((job, all_, shortest))
        words = (
            f"{what} {one.clock:.1f} s (processor {one.cpu:.1f} s)" for what, one in zip(WAYS, rows[-1], strict=True)
        )
        print(f"pair {number}: {', '.join(words)}", flush=True)
    told("processor of a job / its commands by hand", [job.cpu / all_.cpu for job, all_, _ in rows])
    told("processor of a job / init, plan, apply", [job.cpu / shortest.cpu for job, _, shortest in rows])
    is_near = judged("a job / its commands by hand", [job.clock / all_.clock for job, all_, _ in rows], 1.05)
    return judged("a job / init, plan, apply", [job.clock / one.clock for job, _, one in rows], 1.3) and is_near


def told(what: str, ratios: Sequence[float]) -> float:
    """Print and give the median."""
    median = statistics.median(ratios)
    print(f"{what}: {median:.2f} ({min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} pairs)", flush=True)
    return median


def judged(what: str, ratios: Sequence[float], most: float) -> bool:
    """Print the median, the range and the bound; True if the median is within."""
    return told(f"{what}, at most {most}", ratios) <= most


def seconds_of(url: str, calls: int) -> float:
    """So many GETs by each of eight callers at once."""
    place = urlsplit(url)

    def call() -> None:
        connection = http.client.HTTPConnection(place.netloc)
        for _ in range(calls):
            connection.request("GET", place.path)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise SystemExit(f"provisioning: {url} answers {answer.status}")
        connection.close()

    threads = [threading.Thread(target=call) for _ in range(CALLERS)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begin


@contextmanager
def empty_route() -> Iterator[str]:
    """An app with nothing in it, as it is served by default; gives its URL."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", EMPTY, str(port)])
    url = f"http://127.0.0.1:{port}/"
    try:
        until_true(lambda: answers(port), "the empty app")
        yield url
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    """True once somebody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except OSError:
        return False
    finally:
        connection.close()
    return True


def compare_status(house: House, pairs: int, calls: int) -> bool:
    """Print the ratio while a plan waits and others queue; True if it holds."""
    job_id = house.deploy("small", SMALL, approve=True)
    ratios = []
    with empty_route() as empty:
        url = f"{house.url}/api/deploy/status/{job_id}"
        for each in (url, empty):
            seconds_of(each, 20)
        for _ in range(pairs):
            ratios.append(seconds_of(url, calls) / seconds_of(empty, calls))
    return judged("status under load / an empty FastAPI route", ratios, 3.0)


def list_queue(house: House, jobs: int) -> bool:
    """Print how long a page takes with so many jobs in the queue; True if each is there once."""
    posted = {house.deploy("small", SMALL, wait=True) for _ in range(jobs)}
    seen: list[str] = []
    seconds: list[float] = []
    before: str | None = ""
    while before is not None:
        begin = time.perf_counter()
        code, answer = house.call("GET", f"/api/deploy/jobs?projectId=small&limit=100{before}")
        seconds.append(time.perf_counter() - begin)
        if code != 200:
            raise SystemExit(f"provisioning: {answer}")
        seen += [one["jobId"] for one in answer["jobs"] if one["status"] == "pending"]
        before = f"&before={answer['next']}" if answer["next"] else None
    print(f"{len(seen)} jobs in the queue in {len(seconds)} pages; a page takes {statistics.median(seconds):.3f} s")
    return sorted(seen) == sorted(posted)


def main() -> int:
    """The command line; gives the exit code: 1 if a ratio does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks provisioning", description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=8, help="of deploys")
    parser.add_argument("--calls", type=int, default=100, help="of each caller, in each of ten rounds")
    parser.add_argument("--jobs", type=int, default=1000, help="in the queue")
    options = parser.parse_args()
    with short_folder() as folder, short_folder() as other, aws_api() as endpoint, aws_api() as second:
        house = House(folder / "d", environment(endpoint), {}, mirror())
        house.start()
        try:
            good = [
                compare_deploys(house, ByHand(other / "d", environment(second)), options.pairs),
                compare_status(house, 10, options.calls),
                list_queue(house, options.jobs),
            ]
        finally:
            house.close()
    print(json.dumps({"holds": all(good), "load": os.getloadavg()}))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
