"""Runs the tests: `python3 tests/run.py`, with any arguments of pytest.

The first run makes a virtual environment in `.venv` and installs what the tests need.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "examples"))

from environment import enter  # noqa: E402 - found only now

if __name__ == "__main__":
    enter("test", "pytest", "hypothesis", "joserfc", "httpx2", "uvicorn", "websockets", "fastapi")
    sys.exit(subprocess.call([sys.executable, "-m", "pytest", *sys.argv[1:]], cwd=ROOT))
