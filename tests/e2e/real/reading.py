"""The program of a pod that reads metrics, and asks by the same ways for what it may not have."""

from __future__ import annotations

_PROGRAM = """
import http.client, json, time
from urllib.parse import urlsplit

def ask(url, method, path, body=None):
    to = urlsplit(url)
    connection = http.client.HTTPConnection(to.hostname, to.port, timeout=2)
    connection.request(method, path, body, {{"Content-Type": "application/json"}} if body else {{}})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()

def first(url):
    # The agent of network policies hears of a new pod a moment after the pod has started.
    end = time.monotonic() + {seconds}
    while time.monotonic() < end:
        try:
            return ask(url, "GET", "/metrics")[1]
        except OSError:
            time.sleep(0.3)

guard, engine = {guard!r}, {engine!r}
found = {{"metrics": first(guard), "engine": None}}
if found["metrics"] is not None:
    paths = ["/v1/models", "/tokenize", "/load", "//metrics/../v1/models", "/metrics%2f..%2fv1%2fmodels", "/metrics/../load"]
    found["refused"] = {{path: ask(guard, "GET", path)[0] for path in paths}}
    text = json.dumps({{"model": "m", "messages": []}})
    for path in ("/v1/chat/completions", "/metrics"):
        found["refused"]["POST " + path] = ask(guard, "POST", path, text)[0]
try:
    found["engine"] = ask(engine, "GET", "/metrics")[0]
except OSError:
    pass
print(json.dumps(found))
"""


def program(guard: str, engine: str, seconds: float = 60) -> str:
    """Return it; what it prints says what came of metrics, of what is refused, and of the engine's own port.

    Args:
        guard: URL of the port of metrics.
        engine: URL of the engine's port.
        seconds: how long metrics are tried for.
    """
    return _PROGRAM.format(guard=guard, engine=engine, seconds=seconds)
