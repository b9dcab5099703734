"""A viewer in a real browser: Chromium, driven by the scripts of the player tests."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

from processes import Failed

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests/players/play.mjs"
# The script gives up by itself before.
PATIENCE = 120
# A hole is as long as a segment, 4 s. Less is the clock of a busy machine, seen at six times the pace.
HOLE = 3.0


def play(player: str, manifest: str, modules: Path, screenshot: Path | None = None) -> dict[str, Any]:
    """Plays a manifest on caudal's player page: at its own pace, with two seeks, then fast to the end."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise Failed("chromium is missing: deploy/check/platform/tools.sh gets it")
    task = {
        "scene": "page",
        "url": f"{player}?src={quote(manifest, safe='')}",
        "modules": str(modules),
        "chromium": chromium,
        "screenshot": str(screenshot) if screenshot else None,
    }
    said = subprocess.run(
        ["node", str(SCRIPT), json.dumps(task)], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    if said.returncode != 0:
        raise Failed(f"{manifest} does not play: {said.stderr.strip()}")
    seen: dict[str, Any] = json.loads(said.stdout)
    return seen


def judge(seen: dict[str, Any], seconds: float, renditions: int) -> list[str]:
    """What was not as it should be."""
    wrong = [f"{name}: {seen[name]}" for name in ("fatal", "errors", "violations") if seen[name]]
    if not seen["ended"] or abs(seen["endedAt"] - seconds) > 0.5:
        wrong.append(f"ended: {seen['ended']}, at {seen['endedAt']} s of {seconds} s")
    if abs(seen["duration"] - seconds) > 0.2:
        wrong.append(f"it lasts {seen['duration']} s instead of {seconds} s")
    if seen["renditions"] != renditions:
        wrong.append(f"{seen['renditions']} renditions instead of {renditions}")
    if seen["leap"] > HOLE:
        wrong.append(f"{seen['leap']:.1f} s were leapt over")
    return wrong
