"""The samples of a run → what is told of it, for people and for programs."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from statistics import median
from typing import TypedDict

from benchmarks.measure import Samples, in_rounds, spread
from benchmarks.rows import ROWS

_PACKAGES = ("starlette", "pyjwt", "cryptography")


class RowResult(TypedDict):
    """One row of the design. spread: of the value, over the rounds."""

    row: str
    what: str
    unit: str
    value: float
    spread: float
    target: float | None
    reached: bool | None


class CaseResult(TypedDict):
    """One measured thing, in microseconds."""

    case: str
    median_us: float
    spread: float


class Result(TypedDict):
    """A whole run."""

    python: str
    packages: Mapping[str, str]
    rounds: int
    rows: Sequence[RowResult]
    cases: Sequence[CaseResult]


def result(samples: Samples, rows: str) -> Result:
    """Computes these rows, and tells every case."""
    return {
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "rounds": max(len(values) for values in samples.values()),
        "rows": _rows(samples, rows),
        "cases": [
            {"case": name, "median_us": median(values), "spread": spread(values)}
            for name, values in samples.items()
        ],
    }


def _rows(samples: Samples, letters: str) -> list[RowResult]:
    rows: list[RowResult] = []
    for row in ROWS:
        if row.letter.strip("()") not in letters:
            continue
        values = in_rounds(samples, row.value, row.cases)
        value = median(values)
        rows.append(
            {
                "row": row.letter, "what": row.what, "unit": row.unit, "value": value,
                "spread": spread(values), "target": row.target,
                "reached": None if row.target is None else value <= row.target,
            }
        )  # fmt: skip
    return rows


def table(run: Result) -> str:
    """The run as text."""
    packages = ", ".join(f"{name} {number}" for name, number in run["packages"].items())
    lines = [f"Python {run['python']}, {packages}; {run['rounds']} rounds, medians", ""]
    lines += [
        f"{case['case']:<48}{case['median_us']:>12.2f} µs   ±{case['spread']:>4.0%}"
        for case in run["cases"]
    ]
    lines.append("")
    for row in run["rows"]:
        target = "" if row["target"] is None else f"target {row['target']:g}"
        verdict = {True: "reached", False: "MISSED", None: ""}[row["reached"]]
        lines.append(
            f"{row['row']:<4}{row['what']:<64}{row['value']:>8.2f} {row['unit']:<15}"
            f" ±{row['spread']:>4.0%}  {target:<11} {verdict}".rstrip()
        )
    return "\n".join(lines)
