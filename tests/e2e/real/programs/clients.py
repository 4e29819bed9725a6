"""In a pod: asks one path with several keys again and again, and prints each change of an answer with its time.

Variables: OPENAI_BASE_URL and SSL_CERT_FILE as an app has them, KEYS (JSON: name to key). Prints a line of JSON a
change: `at` (seconds of the epoch when the request began), `name`, `status`.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import time
from urllib.parse import urlsplit

_BASE = urlsplit(os.environ["OPENAI_BASE_URL"])
_KEYS: dict[str, str] = json.loads(os.environ["KEYS"])
_CONTEXT = ssl.create_default_context()
_PAUSE = 0.1


class Caller:
    """One who keeps a connection, as clients of OpenAI's do."""

    def __init__(self, key: str) -> None:
        self._headers = {"Authorization": f"Bearer {key}"}
        self._connection: http.client.HTTPSConnection | None = None

    def status(self) -> int:
        """Return the status of an answer; 0 where there is none."""
        if self._connection is None:
            port = _BASE.port or 443
            self._connection = http.client.HTTPSConnection(
                _BASE.hostname or "", port, context=_CONTEXT, timeout=10
            )
        try:
            self._connection.request("GET", f"{_BASE.path}/models", headers=self._headers)
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            self._connection = None
            return 0
        return answer.status


callers = {name: Caller(key) for name, key in _KEYS.items()}
before: dict[str, int] = {}
while True:
    for name, caller in callers.items():
        began = time.time()
        status = caller.status()
        if before.get(name) != status:
            before[name] = status
            print(json.dumps({"at": began, "name": name, "status": status}), flush=True)
    time.sleep(_PAUSE)
