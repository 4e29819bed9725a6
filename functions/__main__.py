"""Entry of `python -m functions`."""

from functions.main import main

main()
