"""A web server as many are: after SIGTERM it closes its port at once and ends once all requests are answered.

Runs in a container (`python3 -c SOURCE`). Unlike the image `fairlead/web`, it refuses new clients after SIGTERM.
"""

from __future__ import annotations

import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"pod {os.uname().nodename}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = False  # server_close waits for the threads


def main() -> None:
    server = Server(("0.0.0.0", 8080), Handler)
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    serving.start()
    signal.sigwait([signal.SIGTERM])
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    main()
