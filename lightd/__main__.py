"""``python -m lightd`` is the command ``lightd``."""

import sys

from lightd.cli import main

if __name__ == "__main__":
    sys.exit(main.main())
