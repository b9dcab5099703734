"""What was measured, and what it amounts to: medians, ratios, targets."""

from __future__ import annotations

import statistics
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path

from meter import Figures
from rows import Row

US = "caudal"
TARGETS = Path(__file__).parent / "targets.toml"

# Above this part of the core gone to others, a run's figures are doubtful.
NOISY = 0.05


@dataclass(frozen=True)
class Sample:
    """One run of one server."""

    row: str
    server: str
    round: int
    figures: Figures


@dataclass(frozen=True)
class Failure:
    """A row that a server made fail, and how."""

    row: str
    why: str


@dataclass
class Results:
    """Everything measured."""

    samples: list[Sample] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def values(self, row: str, server: str, figure: str) -> dict[int, float]:
        """A figure of a server in a row, by round."""
        return {
            sample.round: sample.figures[figure]
            for sample in self.samples
            if (sample.row, sample.server) == (row, server) and figure in sample.figures
        }

    def median(self, row: str, server: str, figure: str) -> float | None:
        """The median over the rounds; None where it was not measured."""
        values = self.values(row, server, figure)
        return statistics.median(values.values()) if values else None

    def ratio(self, row: str, peer: str, figure: str) -> float | None:
        """caudal's figure divided by a peer's.

        Divided round by round, and then the median: what disturbs a machine disturbs neighbours alike.
        """
        ours, theirs = self.values(row, US, figure), self.values(row, peer, figure)
        ratios = [ours[number] / theirs[number] for number in ours if theirs.get(number)]
        return statistics.median(ratios) if ratios else None

    def figures(self, row: str, server: str) -> list[str]:
        """The names of the figures that a server has in a row."""
        return list(
            dict.fromkeys(name for s in self.samples if (s.row, s.server) == (row, server) for name in s.figures)
        )

    def foreign(self) -> float:
        """The part of the servers' core that went to others: the median over all runs."""
        parts = [sample.figures["foreign"] for sample in self.samples if "foreign" in sample.figures]
        return statistics.median(parts) if parts else 0.0

    def plain(self) -> dict[str, object]:
        """For the JSON file."""
        return asdict(self)


@dataclass(frozen=True)
class Target:
    """What a figure may be at most."""

    row: str
    figure: str
    most: float
    peer: str | None = None


@dataclass(frozen=True)
class Verdict:
    """A target, and what was measured; None where its row was not run or failed."""

    target: Target
    value: float | None

    @property
    def met(self) -> bool:
        """Whether it was reached."""
        return self.value is not None and self.value <= self.target.most


def verdicts(results: Results, rows: list[Row]) -> list[Verdict]:
    """Judges the targets of the rows that were to be run."""
    targets = [Target(**entry) for entry in tomllib.loads(TARGETS.read_text())["target"]]
    return [Verdict(target, _value(results, target)) for target in targets if target.row in {row.id for row in rows}]


def _value(results: Results, target: Target) -> float | None:
    if any(failure.row == target.row for failure in results.failures):
        return None
    if target.peer:
        return results.ratio(target.row, target.peer, target.figure)
    return results.median(target.row, US, target.figure)
