"""`python -m fairlead`: the command line."""

from __future__ import annotations

import sys

from fairlead.cmd.main import main

if __name__ == "__main__":
    sys.exit(main())
