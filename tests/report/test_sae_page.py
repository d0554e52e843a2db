"""The comparison page: what it says, and that a browser draws it, alone and without complaint."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from compared import CONFIG, RUNS, STEPS, comparison
from playwright.sync_api import Page, sync_playwright

from narrative_dag.report.axes import Axis
from narrative_dag.report.charts import Series, Style, lines
from narrative_dag.report.sae_page import comparison_page, markdown_image, picture
from narrative_dag.sae.metrics import DENSITY_EDGES

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def html() -> str:
    return comparison_page(comparison())


def charts(html: str) -> dict[str, ElementTree.Element]:
    """Charts by the heading of their figure."""
    found = re.findall(r"<figcaption><b>(.*?)</b>.*?</figcaption>(<svg.*?</svg>)</figure>", html, re.DOTALL)
    return {title: ElementTree.fromstring(svg) for title, svg in found}


def marks(chart: ElementTree.Element) -> list[ElementTree.Element]:
    return [element for element in chart.iter(f"{SVG}path") if element.get("data-run") is not None]


def test_every_history_of_the_log_is_a_chart_and_held_out_figures_are_none(html):
    assert list(charts(html)) == [
        "L0 and FVU",
        "Loss",
        "FVU in training",
        "L0 in training",
        "Dead features in training",
        "gate",
        "Density of features",
        "MCC",
    ]


def test_the_loss_has_a_line_a_run_with_every_logged_value(html):
    paths = marks(charts(html)["Loss"])
    assert [path.get("data-name") for path in paths] == [run.name for run in RUNS]
    assert [float(x) for x in paths[0].get("data-x").split(",")] == list(STEPS)
    assert [float(y) for y in paths[3].get("data-y").split(",")] == pytest.approx([4 / s for s in STEPS], rel=1e-4)
    heights = [float(pair.split()[1]) for pair in paths[0].get("d")[1:].split("L")]
    assert heights == sorted(heights)  # a falling loss goes down the page


def test_the_frontier_has_a_point_a_run_beside_the_oracles(html):
    chart = charts(html)["L0 and FVU"]
    assert len(marks(chart)) == len(RUNS)
    assert marks(chart)[1].get("data-tip").splitlines()[1:] == ["L0, active features a state: 9", "FVU, held out: 0.11"]
    curves = [e.get("data-tip") for e in chart.iter(f"{SVG}path") if e.get("class", "").startswith("curve d")]
    assert curves == ["PCA: 8: 0.5, 9: 0.5, 10: 0.5, 11: 0.5", "k-means: 4: 0.9, 8: 0.7"]


def test_rounding_errors_do_not_stretch_the_frontier():
    perfect = comparison()._replace(oracles={"PCA": [(8.0, 1e-17)]})
    chart = charts(comparison_page(perfect))["L0 and FVU"]
    assert [text.text for text in chart.iter(f"{SVG}text") if "e-" in (text.text or "")] == []
    assert len(marks(chart)) == len(RUNS)


def test_the_matrix_has_a_cell_a_pair(html):
    cells = [cell.get("data-tip") for cell in charts(html)["MCC"].iter(f"{SVG}rect")]
    assert len(cells) == len(RUNS) ** 2
    assert cells[1] == f"{RUNS[0].name}\n{RUNS[1].name}\nMCC: 0.42"
    texts = [text.text for text in charts(html)["MCC"].iter(f"{SVG}text")]
    assert texts[:2] == ["1.00", "0.42"]


def test_the_density_histogram_tells_every_bin(html):
    tip = marks(charts(html)["Density of features"])[1].get("data-tip").splitlines()
    assert len(tip) == 1 + len(DENSITY_EDGES)
    assert tip[-1] == f"0.3162 to 1: {10 + len(DENSITY_EDGES) - 1}"


def test_every_axis_has_a_label(html):
    for title, chart in charts(html).items():
        labels = [text for text in chart.iter(f"{SVG}text") if text.get("class") == "label"]
        assert len(labels) == (0 if title == "MCC" else 2), title
        assert all(label.text for label in labels)


def test_tables_hold_every_figure_and_every_setting(html):
    assert html.count("<tr data-run=") == 2 * len(RUNS)
    for text in ("dead share", "reconstruction bias", "FVU scaled", ">l1<", ">0.02<", ">batch_size<", ">96<", ">1284<"):
        assert text in html, text
    assert str(CONFIG.epochs) in html


def test_seeds_share_a_colour_and_differ_by_their_dash(html):
    looks = [path.get("class") for path in marks(charts(html)["Loss"])]
    assert looks == ["c0 d0", "c0 d1", "c0 d2", "c1 d0"]


def test_names_cannot_break_the_page(html):
    assert "<title>Autoencoders of &lt;one&gt; cycle</title>" in html


def test_values_that_no_axis_shows_are_gaps():
    broken = Series(Style(0, 0, 0), "run", [1, 2, 3, 4], [1.0, float("nan"), 0.0, 0.1])
    chart = ElementTree.fromstring(lines([broken], Axis("steps"), Axis("loss", log=True)))
    assert marks(chart)[0].get("data-x") == "1,4"
    nothing = Series(Style(0, 0, 0), "run", [1], [float("nan")])
    assert "nothing to show" in lines([nothing], Axis("steps"), Axis("loss"))


def test_equal_comparisons_give_equal_bytes_and_small_ones(html):
    assert comparison_page(comparison()) == html
    assert len(html) < 150_000


def test_the_picture_is_one_small_svg_inside_markdown():
    svg = picture(comparison())
    assert ElementTree.fromstring(svg).tag == f"{SVG}svg"
    image = markdown_image(svg, "two charts")
    assert len(image) < 150_000
    kind, _, encoded = image.removeprefix("![two charts](").removesuffix(")").partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert base64.b64decode(encoded).decode() == svg


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(params=[(1280, "light"), (390, "dark")], ids=["desk", "phone"])
def page(request, browser, html, tmp_path) -> Iterator[tuple[Page, list[str]]]:
    """The page on a screen, and everything that it asked for or complained of."""
    width, scheme = request.param
    (tmp_path / "page.html").write_text(html)
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("request", lambda asked: heard.append(asked.url))
    page.goto((tmp_path / "page.html").as_uri())
    heard.remove((tmp_path / "page.html").as_uri())
    yield page, heard
    page.close()


@pytest.mark.browser
def test_a_browser_draws_the_charts_and_asks_for_nothing(page, tmp_path):
    assert Path(CHROMIUM).exists(), "apt-get install chromium"
    page, heard = page
    charts = page.locator("figure svg.chart")
    assert charts.count() == 8
    for i in range(charts.count()):
        box = charts.nth(i).bounding_box()
        assert box["width"] > 250
        assert box["height"] > 150
    drawn = page.evaluate("[...document.querySelectorAll('svg.lines .marks path')].map(p => p.getTotalLength())")
    assert len(drawn) == 5 * len(RUNS)
    assert min(drawn) > 100
    strokes = page.evaluate(
        "[...document.querySelectorAll('svg.lines .marks path')].map(p => getComputedStyle(p).stroke)"
    )
    assert len(set(strokes)) == 2
    # nothing is wider than the screen, and text can be read
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    text = page.locator("svg.lines .grid text").first.bounding_box()
    assert text["height"] >= 9
    assert len(page.screenshot(path=str(tmp_path / "shot.png"), full_page=True)) > 50_000
    assert heard == []


@pytest.mark.browser
def test_hovering_tells_values_and_a_click_hides_a_run(page):
    page, heard = page
    line = page.locator("svg.lines .marks path").nth(1)
    line.scroll_into_view_if_needed()
    place = page.evaluate(
        """() => { const path = document.querySelectorAll("svg.lines .marks path")[1];
        const end = path.getPointAtLength(path.getTotalLength()).matrixTransform(path.getScreenCTM());
        return [end.x, end.y]; }"""
    )
    page.mouse.move(*place)
    assert page.locator("#tip").inner_text().splitlines() == [RUNS[1].name, "optimiser steps: 100", "loss: 0.02"]
    assert page.evaluate("document.body.classList.contains('marked')")
    page.locator(".legend button").nth(1).click()
    assert page.locator('.marks [data-run="1"]:visible').count() == 0
    assert page.locator('.marks [data-run="0"]:visible').count() > 0
    head = page.get_by_role("columnheader", name="dead share")
    head.click()
    head.click()
    assert page.locator("table").first.locator("tbody tr").first.get_attribute("data-run") == "3"
    assert heard == []
