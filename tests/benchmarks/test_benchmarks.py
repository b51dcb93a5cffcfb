"""The benchmark runs, and reports every row; what it measures is not looked at."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.rows import ROWS


def test_every_row_is_reported() -> None:
    command = [sys.executable, str(Path(__file__).parent), "--quick", "--rounds", "1", "--json"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = json.loads(output)["rows"]
    assert [(row["row"], row["what"]) for row in rows] == [(row.letter, row.what) for row in ROWS]
    assert {"a", "b", "i", "j", "k"} <= {row["row"] for row in rows if row["target"]}
