"""`python -m tools`: the command `freehold` of this clone, without installing it."""

import sys

from tools.cli import main

if __name__ == "__main__":
    sys.exit(main())
