"use strict";
(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const tip = document.getElementById("tip");
  const marked = all("[data-run]");

  // one run stands out in every chart, the legend and the table
  const mark = (run) => {
    document.body.classList.toggle("marked", run !== null);
    for (const element of marked) element.classList.toggle("on", element.dataset.run === run);
  };
  const tell = (text, event) => {
    tip.textContent = text;
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    const left = event.clientX + 14 + width > innerWidth ? event.clientX - width - 14 : event.clientX + 14;
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - height - 4))}px`;
  };
  const leave = () => { tip.hidden = true; mark(null); };

  const paths = new Map();
  const pointsOf = (path) => {
    if (!paths.has(path)) {
      const places = path.getAttribute("d").slice(1).split("L").map((pair) => pair.split(" ").map(Number));
      paths.set(path, { places, x: path.dataset.x.split(","), y: path.dataset.y.split(",") });
    }
    return paths.get(path);
  };
  const overLines = (chart, event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(chart.getScreenCTM().inverse());
    let best = null, distance = 40;
    for (const path of chart.querySelectorAll(".marks path:not(.hidden)")) {
      const { places } = pointsOf(path);
      places.forEach(([x, y], i) => {
        const far = Math.hypot(x - at.x, y - at.y);
        if (far < distance) { distance = far; best = { path, i }; }
      });
    }
    if (best === null) { leave(); return; }
    const { x, y } = pointsOf(best.path);
    const { labelX, labelY } = chart.dataset;
    tell(`${best.path.dataset.name}\n${labelX}: ${x[best.i]}\n${labelY}: ${y[best.i]}`, event);
    mark(best.path.dataset.run);
  };
  for (const chart of all("svg.chart")) {
    chart.addEventListener("pointermove", (event) => {
      if (chart.classList.contains("lines")) { overLines(chart, event); return; }
      const over = event.target.closest("[data-tip]");
      if (over === null) { leave(); return; }
      tell(over.dataset.tip, event);
      mark(over.dataset.run ?? null);
    });
    chart.addEventListener("pointerleave", leave);
  }
  for (const row of all("tr[data-run], .legend button")) {
    row.addEventListener("pointerenter", () => mark(row.dataset.run));
    row.addEventListener("pointerleave", () => mark(null));
  }
  for (const button of all(".legend button")) {
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") === "false";
      button.setAttribute("aria-pressed", String(shown));
      for (const element of all(`.marks [data-run="${button.dataset.run}"]`)) element.classList.toggle("hidden", !shown);
    });
  }
  for (const head of all("th[data-sort]")) {
    head.addEventListener("click", () => {
      const body = head.closest("table").tBodies[0];
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => row.cells[head.cellIndex].dataset.value;
      const rows = [...body.rows].sort((a, b) => head.dataset.sort === "text"
        ? value(a).localeCompare(value(b)) : Number(value(a)) - Number(value(b)));
      body.append(...(down ? rows.reverse() : rows));
    });
  }
})();
