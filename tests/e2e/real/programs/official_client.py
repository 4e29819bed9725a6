"""In a pod beside a claim: the official client of OpenAI, with nothing but the variables of the claim's Secret.

Prints JSON of what it was answered. The first connection is tried for half a minute: a pod's network takes a moment.
"""

import json
import os
import time

import openai

client = openai.OpenAI(max_retries=0)
model = os.environ["OPENAI_MODEL"]


def models() -> list[str]:
    """Return the names of the models that are listed."""
    for _ in range(60):
        try:
            return [each.id for each in client.models.list()]
        except openai.APIConnectionError as error:
            last = error
            time.sleep(0.5)
    raise last


def streamed() -> dict[str, object]:
    """Chat, as a stream; return how many pieces came, the seconds to the first one, and the usage."""
    began, first, pieces, usage = time.monotonic(), None, 0, None
    for event in client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Hello"}],
        max_tokens=8,
        stream=True,
        stream_options={"include_usage": True},
    ):
        first = first or time.monotonic() - began
        pieces += bool(event.choices)
        usage = event.usage.completion_tokens if event.usage else usage
    return {"first": first, "pieces": pieces, "usage": usage}


def refused(key: str) -> str:
    """Return the client's own exception for a key."""
    try:
        client.with_options(api_key=key).models.list()
    except openai.APIError as error:
        return type(error).__name__
    return "nothing"


def chat() -> str:
    """Chat; return why the answer ends."""
    answer = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Hello"}], max_tokens=8
    )
    return str(answer.choices[0].finish_reason)


print(
    json.dumps(
        {
            "models": models(),
            "stream": streamed(),
            "chat": chat(),
            "completion": client.completions.create(model=model, prompt="Hello", max_tokens=4).object,
            "response": client.responses.create(model=model, input="Hello", max_output_tokens=8).object,
            "wrong key": refused("wrong"),
            "version": openai.__version__,
        }
    )
)
