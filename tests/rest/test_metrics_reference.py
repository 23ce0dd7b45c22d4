"""The page about metrics names what `/metrics` serves: each name, its type and its labels, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from manager_core.bootstrap import Core
from manager_core.health import counters
from scheduler.verdict import Outcome

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "metrics.md"
ROW = re.compile(r"^\| `(cloudify_\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)


def documented() -> dict[str, tuple[str, set[str]]]:
    """Return name → (type, labels) as the page has it."""
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in ROW.findall(PAGE.read_text())}


def served(text: str) -> dict[str, tuple[str, set[str]]]:
    """Return the same of what was served; a counter is called by the name of its sample."""
    found = {}
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = (family.type, {label for sample in family.samples for label in sample.labels})
    return found


def test_the_page_about_metrics_and_the_metrics_agree(core: Core, client: TestClient) -> None:
    with core.store.write() as session:
        counters.add(session, {("firings", outcome.value): 1 for outcome in Outcome})
    text = client.get("http://testserver/metrics").text
    assert documented() == served(text)
    page = PAGE.read_text()
    for outcome in Outcome:
        assert f"`{outcome.value}`" in page
    for service in re.findall(r'cloudify_service_up{service="(\w+)"}', text):
        assert f"`{service}`" in page
