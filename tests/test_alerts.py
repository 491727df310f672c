"""The alert rules and the dashboard: they hold what they promise, and name metrics that a server has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.testclient import TestClient

from portfolio.bundle.store import Store
from portfolio.monitoring.looks import Looks
from serving.app import create_app
from serving.settings import Settings
from tests.serving.routes.test_monitor import look, served_digest
from tests.tiny import publish
from tests.workspace import ROOT

FOLDER = ROOT / "deploy" / "monitoring"
NAMES = re.compile(r"\bportfolio_[a-z0-9_]+")
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool here: apt-get install prometheus")


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> list[str]:
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    panels = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    variables = [variable["query"]["query"] for variable in dashboard["templating"]["list"] if "refresh" in variable]
    return [*panels, *variables, *(rule["expr"] for rule in rules())]


@needs_promtool
@pytest.mark.parametrize(
    "command", ["check rules alerts.yaml", "test rules alerts.test.yaml", "check config prometheus.yaml"]
)
def test_prometheus_takes_the_rules_and_they_alert_as_they_should(command: str) -> None:
    result = subprocess.run(["promtool", *command.split()], cwd=FOLDER, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@needs_promtool
def test_a_broken_rule_would_be_found(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "monitoring")
    alerts = tmp_path / "monitoring" / "alerts.yaml"
    alerts.write_text(alerts.read_text().replace('verdict="harmful"', 'verdict="warn"'))
    result = subprocess.run(["promtool", "test", "rules", "alerts.test.yaml"], cwd=alerts.parent, capture_output=True)
    assert result.returncode != 0


def test_every_alert_is_tested_and_says_what_to_do() -> None:
    tests = yaml.safe_load((FOLDER / "alerts.test.yaml").read_text())["tests"]
    tested = {one["alertname"] for test in tests for one in test["alert_rule_test"]}
    assert tested == {rule["alert"] for rule in rules()}
    for rule in rules():
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"].keys() == {"summary", "description"}


def test_every_metric_that_an_alert_or_the_dashboard_names_is_one_of_a_server(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path / "one", version=1)
    with TestClient(create_app()) as client:
        looks = Looks(Settings.from_environment().log_address)
        looks.add(look(served_digest(client)))
        looks.close()
        client.post("/predict", json={"instances": [{"pixels": [4, 3, 2, 1]}]})
        text = client.get("/metrics").text
    there = set(NAMES.findall(text))
    named = {name for expression in expressions() for name in NAMES.findall(expression)}
    assert len(named) > 15
    assert named - there == set()


def test_the_dashboards_panels_fit_beside_each_other() -> None:
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    taken: set[tuple[int, int]] = set()
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
        assert [target["refId"] for target in panel["targets"]] == list("ABCDEF")[: len(panel["targets"])]
        assert {str(target["datasource"]["uid"]) for target in panel["targets"]} == {"${datasource}"}
