"""Row k: what importing `atjwt.asgi` adds to a program that has imported starlette and jwt anyway.

Each import happens in an interpreter of its own, which times itself, so that neither its start nor
its end is in the figure.
"""

import random
import subprocess
import sys

from benchmarks.measure import Samples

_MODULES = {
    "import of starlette and jwt": "starlette.applications, jwt",
    "import of these and atjwt.asgi": "starlette.applications, jwt, atjwt.asgi",
}
_PROGRAM = """
from time import perf_counter_ns
start = perf_counter_ns()
import {}
print((perf_counter_ns() - start) / 1000)
"""


def measure_imports(rounds: int) -> Samples:
    """Measures both side by side."""
    samples: Samples = {name: [] for name in _MODULES}
    names = list(_MODULES)
    for name in names:
        _imported(_MODULES[name])  # so that all is compiled
    for _ in range(rounds):
        random.shuffle(names)
        for name in names:
            samples[name].append(_imported(_MODULES[name]))
    return samples


def _imported(modules: str) -> float:
    command = [sys.executable, "-c", _PROGRAM.format(modules)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
