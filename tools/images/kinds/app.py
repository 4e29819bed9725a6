"""Where an app of a user's would be: Python and nothing else, so that a test runs what it likes in a pod."""

from tools.images import python
from tools.images.image import Image
from tools.images.kinds.kind import Kind

__all__ = ["KIND"]


def _make(architecture: str) -> Image:
    return Image([python.part(architecture)], command=["python3"], architecture=architecture)


KIND = Kind("app", "Python alone, for the pods of tests that ask a Model", _make)
