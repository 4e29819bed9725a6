"""A model's own files on the Hub, read into the facts that it is sized by.

`report` (which a pod runs) keeps what counts of the files, `read` makes facts of a report. What cannot
be understood is refused with the key that is not known, never guessed: the facts decide how many GPUs
are bought.
"""

from .refused import NotUnderstood

__all__ = ["NotUnderstood"]
