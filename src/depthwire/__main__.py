"""``python -m depthwire``: the command line."""

import sys

from depthwire.cli import main

if __name__ == "__main__":
    sys.exit(main())
