import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from narrative_dag.partitions import BOOTSTRAP, STAGES

pytestmark = pytest.mark.browser

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 60_000


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def pages(finished) -> Iterator[dict[str, str]]:
    """Addresses of Dagster's and MLflow's pages over the finished home."""
    ports = str(free_port()), str(free_port())
    process = finished.command.start("ui", "--port", ports[0], "--mlflow-port", ports[1])
    found: dict[str, str] = {}
    for line in process.stdout:
        name, _, address = line.strip().partition(": ")
        found[name] = address
        if len(found) == 2:
            break
    assert set(found) == {"dagster-webserver", "mlflow"}, process.communicate()[1]
    yield found
    process.send_signal(signal.SIGINT)
    try:
        output, _ = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0
    assert output.splitlines()[-1] == "stopped"
    for address in found.values():
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(address.rpartition(":")[2]))) != 0


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(PATIENCE)
        yield page
        browser.close()


def graphql(pages: dict[str, str], query: str) -> dict[str, object]:
    request = Request(
        f"{pages['dagster-webserver']}/graphql",
        data=json.dumps({"query": query}).encode(),
        headers={"content-type": "application/json"},
    )
    with urlopen(request, timeout=60) as answer:
        return json.load(answer)["data"]


def test_chromium_is_installed():
    assert Path(CHROMIUM).exists(), "apt-get install chromium"


def test_the_lineage_page_shows_the_stages_of_a_cycle(pages, page):
    page.goto(f"{pages['dagster-webserver']}/locations/narrative_dag/asset-groups/cycle/lineage")
    for stage in STAGES:
        shortened = re.compile(f"^({stage}|{stage[:6]}.*{stage[-6:]})$")
        expect(page.get_by_text(shortened).first).to_be_visible(timeout=PATIENCE)


def test_the_bootstrap_group_has_its_own_page(pages, page):
    page.goto(f"{pages['dagster-webserver']}/locations/narrative_dag/asset-groups/bootstrap/lineage")
    for asset in BOOTSTRAP:
        expect(page.get_by_text(asset, exact=True).first).to_be_visible(timeout=PATIENCE)


def test_an_assets_partitions_page_lists_the_cycles(pages, page):
    page.goto(f"{pages['dagster-webserver']}/assets/policy_checkpoint?view=partitions")
    for cycle in ("cycle-0000", "cycle-0001", "cycle-0002"):
        expect(page.get_by_text(cycle, exact=True).first).to_be_visible(timeout=PATIENCE)
    page.get_by_text("cycle-0001", exact=True).first.click()
    expect(page.get_by_text("content_hash").first).to_be_visible(timeout=PATIENCE)


def test_the_two_cycles_are_materialized_and_the_others_missing(pages):
    data = graphql(
        pages,
        '{assetNodeOrError(assetKey: {path: ["cycle_report"]}) '
        "{... on AssetNode {partitionStats {numMaterialized numPartitions}}}}",
    )
    assert data["assetNodeOrError"]["partitionStats"] == {"numMaterialized": 2, "numPartitions": 1000}


def test_the_checks_have_run_in_every_cycle(pages):
    data = graphql(
        pages,
        '{assetNodeOrError(assetKey: {path: ["storyworlds"]}) {... on AssetNode {assetChecksOrError '
        "{... on AssetChecks {checks {name blocking}}}}}}",
    )
    checks = data["assetNodeOrError"]["assetChecksOrError"]["checks"]
    assert {check["name"] for check in checks} == {"schema", "a_valid_storyworld"}
    assert all(check["blocking"] for check in checks)


def test_mlflow_shows_the_registered_models(pages, page):
    page.goto(f"{pages['mlflow']}/#/models")
    for model in ("narrative-sae", "narrative-reward", "narrative-policy"):
        expect(page.get_by_text(model, exact=True).first).to_be_visible(timeout=PATIENCE)
