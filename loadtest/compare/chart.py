"""Draws chart.svg: for every row a bar a peer, as long as caudal's figure is of the peer's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from report import NAMES
from results import US, Results
from rows import Row

WIDTH, LEFT, RIGHT = 820, 270, 64
TOP, BAR, GAP, BETWEEN, BOTTOM = 72, 13, 3, 15, 40

# Longer bars are cut, their value is written all the same.
SCALE_ENDS = 1.5
STEP = 0.25

# Readable on white and on near black alike; text and lines follow the reader's scheme.
COLOURS = {
    "nginx": "#3fa66a",
    "nginx-uncorked": "#8fbf6f",
    "nginx-slice": "#3fa66a",
    "nginx-whole": "#8fbf6f",
    "varnish": "#4a8fd6",
    "caddy": "#c98a3c",
    "caudal-all": "#8a7fd6",
    "caudal-off": "#b9b3e0",
}

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #3d444d; }
.title { font-size: 15px; font-weight: 600; }
.quiet { fill: #7d8590; }
.row { font-weight: 600; }
.grid { stroke: #7d8590; stroke-opacity: .3; }
.even { stroke: #7d8590; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) { text { fill: #d1d7e0; } .quiet { fill: #9198a1; } }
"""


@dataclass(frozen=True)
class Bar:
    """One ratio."""

    peer: str
    ratio: float


def draw(path: Path, results: Results, rows: list[Row]) -> None:
    """Writes the chart; an empty one where nothing can be compared."""
    groups = [(row, bars) for row in rows if (bars := _bars(results, row))]
    height = TOP + BOTTOM + sum(_height(bars) + BETWEEN for _, bars in groups)
    body, y = [], TOP
    for row, bars in groups:
        body += _group(row, bars, y)
        y += _height(bars) + BETWEEN
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    parts = [f'{head} role="img">', f"<style>{STYLE}</style>", *_title(), *_grid(height), *body, "</svg>"]
    path.write_text("\n".join(parts) + "\n")


def _bars(results: Results, row: Row) -> list[Bar]:
    if not row.ratio_of:
        return []
    ratios = {peer: results.ratio(row.id, peer, row.ratio_of) for peer in row.servers if peer != US}
    return [Bar(peer, ratio) for peer, ratio in ratios.items() if ratio is not None]


def _height(bars: list[Bar]) -> int:
    # The name of a row and that of its figure take two lines.
    return max(2, len(bars)) * (BAR + GAP)


def _x(ratio: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * min(ratio, SCALE_ENDS) / SCALE_ENDS


def _text(x: float, y: float, what: str, css: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}">{escape(what)}</text>'


def _title() -> list[str]:
    return [
        _text(16, 26, "What caudal spends for each unit that a peer spends", "title"),
        _text(
            16, 46, "Shorter is better; left of 1 caudal is cheaper. Same machine, same minutes, median ratio.", "quiet"
        ),
    ]


def _grid(height: int) -> list[str]:
    lines = []
    for step in range(round(SCALE_ENDS / STEP) + 1):
        at = step * STEP
        x, css = _x(at), "even" if at == 1 else "grid"
        lines.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{height - BOTTOM + 4}" class="{css}"/>')
        lines.append(_text(x, height - BOTTOM + 20, f"{at:g}", "quiet", "middle"))
    return lines


def _group(row: Row, bars: list[Bar], y: int) -> list[str]:
    assert row.ratio_of
    lines = [_text(16, y + 11, row.title, "row"), _text(16, y + 27, NAMES[row.ratio_of][0], "quiet")]
    for number, bar in enumerate(bars):
        top = y + number * (BAR + GAP)
        width = _x(bar.ratio) - LEFT
        colour = COLOURS[bar.peer]
        lines.append(_text(LEFT - 8, top + 11, bar.peer, "quiet", "end"))
        lines.append(f'<rect x="{LEFT}" y="{top}" width="{width:.1f}" height="{BAR}" rx="2" fill="{colour}"/>')
        cut = " →" if bar.ratio > SCALE_ENDS else ""
        lines.append(_text(_x(bar.ratio) + 6, top + 11, f"{bar.ratio:.2f}{cut}"))
    return lines
