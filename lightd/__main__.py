"""``python -m lightd`` is the command ``lightd``."""

import sys

from lightd import cli

if __name__ == "__main__":
    sys.exit(cli.main())
