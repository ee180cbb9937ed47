"""What a job of provisioning costs beside Terraform by hand, its status route beside an empty one, and a long queue.

Deploys run against an AWS API on loopback, in pairs, whose order turns each time: as a job, and as a person's commands.
"""

import argparse
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

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

    def deploy(self) -> dict[str, float]:
        """Seconds of each command."""
        return {name: self._run(*words) for name, words in COMMANDS.items()}

    def destroy(self) -> None:
        """Everything goes, and what `init` made: a job begins without it, too."""
        self._run("destroy", "-auto-approve", "-input=false")
        for name in (PLAN, "terraform.tfstate", "terraform.tfstate.backup", ".terraform.lock.hcl"):
            (self._root / name).unlink(missing_ok=True)
        shutil.rmtree(self._variables["TF_DATA_DIR"])

    def _run(self, *words: str) -> float:
        begin = time.perf_counter()
        command = [self._program, *words]
        subprocess.run(command, cwd=self._root, env=self._variables, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - begin


def by_job(house: House) -> float:
    """Seconds from the POST until the status says completed."""
    begin = time.perf_counter()
    job_id = house.deploy("twelve", TWELVE)
    while (job := house.job(job_id))["endTime"] is None:
        time.sleep(0.05)
    seconds = time.perf_counter() - begin
    if job["status"] != "completed":
        raise SystemExit(f"provisioning: {job['error']}")
    return seconds


def compare_deploys(house: House, hand: ByHand, pairs: int) -> bool:
    """Print the ratios; True if both hold."""
    to_all, to_shortest = [], []
    for number in range(pairs):
        if number % 2:
            job_s = by_job(house)
            house.end(house.destroy("twelve"))
            hand_s = hand.deploy()
            hand.destroy()
        else:
            hand_s = hand.deploy()
            hand.destroy()
            job_s = by_job(house)
            house.end(house.destroy("twelve"))
        shortest_s = sum(hand_s[name] for name in SHORTEST)
        to_all.append(job_s / sum(hand_s.values()))
        to_shortest.append(job_s / shortest_s)
        print(f"pair {number}: job {job_s:.1f} s, by hand {sum(hand_s.values()):.1f} s, shortest {shortest_s:.1f} s")
    is_near = judged("a job / its commands by hand", to_all, 1.05)
    return judged("a job / init, plan, apply", to_shortest, 1.3) and is_near


def judged(what: str, ratios: Sequence[float], most: float) -> bool:
    """Print the median and the range; True if the median is within."""
    median = statistics.median(ratios)
    print(f"{what}: {median:.2f} ({min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} pairs), at most {most}")
    return median <= most


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
