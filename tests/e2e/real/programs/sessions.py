"""In a pod, as an app: asks in conversations over connections of their own; prints which pod has answered each.

Variables: those of the Secret beside the claim, SSL_CERT_FILE, and HEADER, of conversations.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request

_CONVERSATIONS, _EACH = 10, 4


def _ask(conversation: str) -> str:
    headers = {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "Content-Type": "application/json"}
    if conversation:
        headers[os.environ["HEADER"]] = conversation
    request = urllib.request.Request(os.environ["OPENAI_BASE_URL"] + "/completions", b"{}", headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: str = json.load(answer)["pod"]
    return found


def _begin() -> None:
    # The agent of network policies hears of a new pod a moment after the pod has started.
    for _ in range(60):
        try:
            _ask("")
        except urllib.error.URLError:
            time.sleep(0.5)
        else:
            return


_begin()
_conversations = [[_ask(f"chat-{number}") for _ in range(_EACH)] for number in range(_CONVERSATIONS)]
print(json.dumps({"conversations": _conversations, "others": [_ask("") for _ in range(24)]}))
