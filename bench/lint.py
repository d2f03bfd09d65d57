"""Time of `fairlead lint` for 100 documents, as a user sees it: a process from start to end.

    python -m bench.lint [ROUNDS]

Beside it: the same process for one document (start-up), and the time in process for 100 and for 4,000 documents.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.processes import measure
from fairlead.api.kinds import built_in
from fairlead.lint.lint import Source, lint

_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web-{n}}}
spec:
  replicas: 3
  selector: {{matchLabels: {{app: web-{n}}}}}
  template:
    metadata: {{labels: {{app: web-{n}}}}}
    spec:
      containers:
      - name: web
        image: nginx:1.14
        ports: [{{name: http, containerPort: 80}}]
        resources: {{limits: {{memory: 64Mi, cpu: 100m}}}}
        readinessProbe: {{httpGet: {{path: /, port: http}}}}
"""
_SERVICE = """\
apiVersion: v1
kind: Service
metadata: {{name: web-{n}}}
spec:
  selector: {{app: web-{n}}}
  ports: [{{port: 80, targetPort: http}}]
"""


def manifest(documents: int) -> str:
    return "---\n".join((_DEPLOYMENT if n % 2 == 0 else _SERVICE).format(n=n // 2) for n in range(documents))


def _median_cpu_ms(run: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        times.append((time.process_time() - start) * 1000)
    return statistics.median(times)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with tempfile.TemporaryDirectory() as folder:
        for documents in (1, 100):
            path = Path(folder) / f"{documents}.yaml"
            path.write_text(manifest(documents))
            command = [sys.executable, "-m", "fairlead.cmd.main", "lint", str(path)]
            print(f"process, {documents:5} documents: {measure(command, rounds)}")
    scheme = built_in()
    for documents in (100, 4000):
        source = Source("all.yaml", manifest(documents))
        took = _median_cpu_ms(partial(lint, [source], scheme), min(rounds, 3))
        print(f"in process, {documents:5} documents: {took:5.1f} ms of CPU")


if __name__ == "__main__":
    main()
