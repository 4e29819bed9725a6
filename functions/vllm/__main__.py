"""Entry of `python -m functions.vllm plan`, a command of the repository's tools; no server imports it."""

import sys

if __name__ == "__main__":
    try:
        from tools.plan import main
    except ModuleNotFoundError as error:
        print(
            f"{error.name} is missing: plan needs a checkout of the project and PyYAML, which the function's "
            "image does not have; run `make venv`, then .venv/bin/python -m functions.vllm plan",
            file=sys.stderr,
        )
        sys.exit(2)
    sys.exit(main())
