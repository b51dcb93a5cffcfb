"""`python -m atjwt` is the command `atjwt`."""

import sys

from atjwt.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
