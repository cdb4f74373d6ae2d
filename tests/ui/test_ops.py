"""The dashboard for Grafana and the alert rules name figures that `/metrics` has."""

import json
import re
from pathlib import Path

import yaml

from loop.ui import health

OPS = Path(__file__).parents[2] / "ops"
FIGURES = set(re.findall(r'"(loopd_\w+)"', Path(health.__file__).read_text(encoding="utf-8")))


def named(expressions):
    return {name.removesuffix("_total") for each in expressions for name in re.findall(r"\bloopd_\w+", each)}


def test_grafana_shows_figures_that_there_are():
    board = json.loads((OPS / "grafana" / "loopd.json").read_text(encoding="utf-8"))
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert len(expressions) >= len(board["panels"])
    assert named(expressions) <= FIGURES
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_alerts_watch_figures_that_there_are():
    rules = yaml.safe_load((OPS / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
    (group,) = rules["groups"]
    assert len(group["rules"]) >= 6
    assert named(rule["expr"] for rule in group["rules"]) <= FIGURES
    assert all(rule["annotations"]["summary"] for rule in group["rules"])
