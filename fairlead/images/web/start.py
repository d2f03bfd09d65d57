"""Starts the web server. Python stores the compiled form of the modules that it imports, but compiles the script itself
at each start, which would cost 5 ms."""

from __future__ import annotations

import sys

sys.path.append(__file__.rpartition("/")[0])
import server  # type: ignore[import-not-found]  # found by the path above

server.main()
