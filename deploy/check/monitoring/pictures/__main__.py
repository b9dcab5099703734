"""Draws the dashboards for the documentation: deploy/check/monitoring/run pictures [MINUTES]

There is no Grafana in this build. The pictures are drawn from the dashboards' own JSON (its places, titles, units, queries)
and from what a real Prometheus answers, by page.js with uPlot, the library that Grafana draws lines with. In the middle of
the time storage is away for a while: on a quiet day there would be little to see.
"""

import base64
import json
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import at_work  # noqa: E402
import dashboards  # noqa: E402
from asking import Prometheus, choices, filled_in  # noqa: E402
from report import ROOT, TOOLS, Wrong, ask, end_in_order  # noqa: E402
from stack import Stack  # noqa: E402

PICTURES = ROOT / "docs/dashboards"
MODULES = TOOLS / "node/node_modules"
WIDTH, HEAD, ROW, GAP = 1600, 54, 30, 8  # pixels, as page.css has them
SCRAPE = 2  # seconds
AWAY = 45  # seconds without storage


def main(minutes: float) -> None:
    end_in_order()
    with Stack(scrape=SCRAPE) as stack:
        time.sleep(40)  # until a rate has something to look back on
        start = time.time()
        time.sleep(minutes * 60 * 0.3)
        at_work.disturb(stack)
        time.sleep(minutes * 60 * 0.25)
        stack.storage.is_gone = True
        time.sleep(AWAY)
        stack.storage.is_gone = False
        time.sleep(max(0, start + minutes * 60 - time.time()))
        prometheus, end = Prometheus(stack.prometheus), time.time()
        pages = {name: filled(one, prometheus, start, end) for name, one in dashboards.every().items()}
        for name, page in pages.items():
            draw(page, PICTURES / name.replace(".json", ".png"), stack.place)


def filled(dashboard: dict, prometheus: Prometheus, start: float, end: float) -> dict:
    """A dashboard, with an answer for each of its queries."""
    step = max(SCRAPE, round((end - start) / 240))
    chosen = choices(prometheus, dashboard)
    start, end = start // step * step, end // step * step
    for panel in dashboard["panels"]:
        panel["answers"] = []
        for target in panel["targets"]:
            expr = filled_in(target["expr"], "20s", chosen)
            if target["instant"]:
                panel["answers"].append([one | {"values": [one["value"]]} for one in prometheus.now(expr)])
            else:
                panel["answers"].append(prometheus.over(expr, start, end, step))
    return {"dashboard": dashboard, "times": [start + place * step for place in range(int((end - start) / step) + 1)]}


def draw(page: dict, picture: Path, place: Path) -> None:
    """One page in a browser, as high as its panels are."""
    html = place / "page.html"
    html.write_text(whole(page))
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in page["dashboard"]["panels"])
    height = HEAD + rows * (ROW + GAP) + GAP
    picture.parent.mkdir(exist_ok=True)
    # Time is virtual, so that the page is done, fonts and all, when it is looked at.
    said = ask(
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr",
        f"--user-data-dir={place}/browser", "--virtual-time-budget=5000",
        f"--window-size={WIDTH},{height}", f"--screenshot={picture}", html,
    )  # fmt: skip
    faults = [line for line in said.splitlines() if ":CONSOLE" in line]
    if faults:
        raise Wrong(f"{picture.name} is not drawn: {faults[0][:300]}")
    print(f"{picture.relative_to(ROOT)}: {WIDTH} × {height}, {picture.stat().st_size // 1024} KiB", flush=True)


def whole(page: dict) -> str:
    """A page that needs nothing from elsewhere."""

    def font(weight: int) -> str:
        file = MODULES / f"@fontsource/inter/files/inter-latin-{weight}-normal.woff2"
        data = base64.b64encode(file.read_bytes()).decode()
        return f"@font-face{{font-family:Inter;font-weight:{weight};src:url(data:font/woff2;base64,{data})}}"

    fonts = "".join(font(weight) for weight in (400, 500, 600))
    styles = (MODULES / "uplot/dist/uPlot.min.css").read_text() + (HERE / "page.css").read_text()
    data = json.dumps(page).replace("</", "<\\/")
    return (
        f"<!doctype html><meta charset=utf-8><style>{fonts}{styles}</style><header><h1></h1><p></p></header><main></main>"
        f"<script>{(MODULES / 'uplot/dist/uPlot.iife.min.js').read_text()}</script><script>const page = {data};</script>"
        # Canvases do not wait for fonts.
        f"<script>Promise.all([400, 500, 600].map((w) => document.fonts.load(`${{w}} 12px Inter`))).then(() => {{"
        f"{(HERE / 'page.js').read_text()}}});</script>"
    )


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 8)
