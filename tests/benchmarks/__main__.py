"""Rows a, b, c, i, j, k and l of DESIGN section 8, side by side in one run: `python tests/benchmarks`.

    --rows abcijkl    which rows
    --rounds 101      how often every case is measured
    --quick           small sets of tokens and short batches: the figures mean nothing
    --json            the figures, for a program

Only ratios travel between machines. On a machine that does other things too, pin it to one core
(`taskset -c 1`), and read differences under 15 % between two runs as noise.
"""

import argparse
import json
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> None:
    """Measures and prints."""
    if not __package__:  # started as a folder, `python tests/benchmarks`
        sys.path[0] = str(Path(__file__).resolve().parents[1])
    from benchmarks.cases import cases
    from benchmarks.imports import measure_imports
    from benchmarks.measure import measure
    from benchmarks.report import result, table
    from benchmarks.tokens import signers

    parser = argparse.ArgumentParser(prog="benchmarks", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", default="abcijkl")
    parser.add_argument("--rounds", type=int, default=101)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    quick = options.quick
    distinct, cached = (20, 200) if quick else (1_000, 100_000)
    found = cases(signers(), options.rows, distinct=distinct, cached=cached)
    samples = measure(found, rounds=options.rounds, batch_ms=0.1 if quick else 2)
    if "k" in options.rows:
        samples |= measure_imports(min(options.rounds, 15))
    run = result(samples, options.rows)
    print(json.dumps(run, indent=1, ensure_ascii=False) if options.json else table(run))


if __name__ == "__main__":
    main()
