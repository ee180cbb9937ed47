"""Each question of Grafana's dashboards has an answer: PromQL in Prometheus on the running metrics of a real store, and
the lake's SQL, as DuckDB reads Athena's, on a real lake."""

import json
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlglot
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.aggregate.questions import Catalogue, in_athena
from tests.end_to_end.conftest import Demo
from tests.processes import end
from tests.waiting import free_port, until_true

GRAFANA = Path(__file__).parents[2] / "integrations" / "grafana"
LAKE = "s3://pythoflow-demo/lake/"
# What Grafana writes in the place of its variables and macros.
IN_PROMQL = {"$zone": ".*"}
IN_SQL = {
    "$__dateFilter(day)": "day between date '2020-06-01' and date '2020-12-31'",
    "$__timeFilter(window_start)": "window_start between timestamp '2020-06-01 00:00:00'"
    " and timestamp '2020-12-31 00:00:00'",
}
MAY_BE_EMPTY = {"Water a day", "Signal", "Memory"}  # the demonstration's zones have no meters, its gateways no radio


def dashboard(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((GRAFANA / "dashboards" / f"{name}.json").read_text())
    return document


def questions(name: str, field: str) -> list[tuple[str, str]]:
    """(panel, question) of a dashboard."""
    panels = dashboard(name)["panels"]
    return [(panel["title"], target[field]) for panel in panels for target in panel["targets"]]


@pytest.fixture(scope="module")
def metrics(small: Demo) -> Iterator[str]:
    """The address of the metrics of the demonstration's store, as a person starts them."""
    words = ["--store", str(small.out / "compute.sqlite"), "--port", "0"]
    command = [sys.executable, "-m", "integrations.metrics", *words]
    with ExitStack() as stack:
        process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
        stack.callback(end, process)
        assert process.stdout is not None
        yield re.findall(r"http://[^/]+", process.stdout.readline().decode())[0]


@pytest.fixture(scope="module")
def prometheus(metrics: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that has scraped them, and a moment later again."""
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    target = {"job_name": "pythoflow", "static_configs": [{"targets": [metrics.removeprefix("http://")]}]}
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [target]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    program = shutil.which("prometheus")
    assert program, "Prometheus is missing; run: python3 scripts/setup.py system promtool"
    words = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    words += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen([program, *words]) as process:
        until_true(lambda: len(answer(address, "count_over_time(pythoflow_service_up[1h]) >= 2")) == 1, "two scrapes")
        yield address
        end(process)


def answer(address: str, question: str) -> list[Any]:
    """What Prometheus says now; nothing as long as it is not there."""
    query = urllib.parse.urlencode({"query": question})
    try:
        with urllib.request.urlopen(f"{address}/api/v1/query?{query}", timeout=60) as response:
            rows: list[Any] = json.load(response)["data"]["result"]
            return rows
    except urllib.error.HTTPError as error:
        if error.code == 503:
            return []
        raise AssertionError(f"{question}: {error.read().decode()}") from error
    except OSError:
        return []


def filled(question: str, places: dict[str, str]) -> str:
    for place, text in places.items():
        question = question.replace(place, text)
    assert "$" not in question, f"{question}: nobody fills this"
    return question


def test_every_question_about_now_has_an_answer(prometheus: str) -> None:
    """Each panel of the dashboard about now shows something, be it a nought."""
    for panel, question in questions("now", "expr"):
        assert answer(prometheus, filled(question, IN_PROMQL)) or panel in MAY_BE_EMPTY, f"{panel}: {question}"


def test_every_metric_exists(metrics: str) -> None:
    """No panel asks for a metric that nobody serves."""
    with urllib.request.urlopen(f"{metrics}/metrics", timeout=60) as response:
        families = list(text_string_to_metric_families(response.read().decode()))
    names = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
    asked = {name for _, question in questions("now", "expr") for name in re.findall(r"pythoflow_\w+", question)}
    asked |= set(re.findall(r"pythoflow_\w+", json.dumps(dashboard("now")["templating"])))
    assert asked - names == set()


def test_every_question_to_the_lake_has_an_answer(small: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each panel of the season's dashboard shows something of a demonstration's lake."""
    lake = Path(small.summary["parquet_dir"])
    monkeypatch.chdir(lake.parent)
    tables: Catalogue = json.loads((lake / "glue.json").read_text())
    for panel, question in questions("season", "rawSQL"):
        [statement] = sqlglot.transpile(filled(question, IN_SQL), read="athena", write="duckdb")
        assert in_athena(statement, tables, LAKE) or panel in MAY_BE_EMPTY, f"{panel}: {statement}"


def test_every_panel_has_a_source() -> None:
    """The files that Grafana is provisioned with know each source that a panel asks, and no others."""
    document = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "pythoflow.yaml").read_text())
    sources = {(source["type"], source["uid"]) for source in document["datasources"]}
    asked = {
        (target["datasource"]["type"], target["datasource"]["uid"])
        for name in ("now", "season")
        for panel in dashboard(name)["panels"]
        for target in panel["targets"]
    }
    assert asked == sources
    assert len({dashboard(name)["uid"] for name in ("now", "season")}) == 2
