"""What a kind of image says of itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tools.images import debian
from tools.images.image import Image
from tools.images.kinds.names import REGISTRY

__all__ = ["Kind"]


@dataclass(frozen=True)
class Kind:
    """One image: its name, and how it is made for an architecture."""

    name: str
    about: str
    make: Callable[[str], Image]
    """Downloads what it is made of, and makes nothing yet."""
    reference: str = ""
    """The name that pods ask for it by. By default one that no registry in the world has: for tests alone."""
    architectures: Sequence[str] = debian.ARCHITECTURES

    @property
    def for_tests(self) -> bool:
        """Whether it is made for tests on this machine, and never published."""
        return not self.reference.startswith(REGISTRY)

    def __post_init__(self) -> None:
        """Fill in the name."""
        if not self.reference:
            object.__setattr__(self, "reference", f"freehold.invalid/{self.name}:v1")

    @property
    def repository(self) -> str:
        """The name within a registry, such as vllm/vllm-openai."""
        return self.reference.partition("/")[2].rpartition(":")[0]

    @property
    def tag(self) -> str:
        """The tag, such as v0.27.1."""
        return self.reference.rpartition(":")[2]
