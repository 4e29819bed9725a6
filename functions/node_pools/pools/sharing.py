"""The slices of a shared GPU: by time slicing, MPS or MIG."""

from __future__ import annotations

from collections.abc import Iterable

from functions.api import Sharing, SharingMode, Slices, contract
from functions.base import Invalid
from functions.catalog import MigProfile, mig_profiles

__all__ = ["described", "same", "slices"]

_INSTEAD = "share by TimeSlicing or MPS"


def slices(at: str, asked: Sharing, gpu: str, memory_mib: int, others: Iterable[str]) -> Slices | None:
    """Return the slices of one GPU; None for whole GPUs.

    A slice counts as an equal part of the GPU's memory, though time slicing keeps no Model to its part.

    Args:
        at: path of the node pool in the spec, for messages.
        asked: as the user wrote it.
        gpu: GPU model, as the catalog names it.
        memory_mib: usable memory of one GPU, in MiB.
        others: GPU models that a message may name instead.

    Raises:
        Invalid: for MIG on a GPU without MIG, or with a profile that the GPU does not have.
    """
    if asked.mode is SharingMode.NONE:
        return None
    if asked.mode is SharingMode.MIG:
        profile = _profile(f"{at}.sharing", asked.profile or "", gpu, others)
        return Slices(
            mode=asked.mode.value,
            resource=contract.MIG_DEVICE + profile.name,
            per_gpu=profile.per_gpu,
            memory_mib=profile.memory_mib or 0,
        )
    count = asked.slices_per_gpu
    assert count is not None, "refused by Sharing"
    return Slices(mode=asked.mode.value, resource=contract.GPU, per_gpu=count, memory_mib=memory_mib // count)


def _profile(at: str, name: str, gpu: str, others: Iterable[str]) -> MigProfile:
    """Return a GPU's MIG profile of a name.

    Raises:
        Invalid: where the GPU has no such profile, or the memory of a slice is not known.
    """
    has = mig_profiles().get(gpu)
    if has is None:
        capable = sorted(set(others) & mig_profiles().keys())
        listed = f"GPUs with MIG are {', '.join(capable)}; or {_INSTEAD}" if capable else _capital(_INSTEAD)
        raise Invalid(f"{at}.mode", f"{gpu} has no MIG", listed)
    known = [profile.name for profile in has.values() if profile.memory_mib is not None]
    if not known:
        raise Invalid(
            f"{at}.profile", f"the memory of a MIG slice of {gpu} is not known yet", _capital(_INSTEAD)
        )
    if name not in known:
        problem = f"the memory of {name} is not known" if name in has else f"{gpu} has no MIG profile {name}"
        raise Invalid(f"{at}.profile", problem, f"Profiles of {gpu} are {', '.join(known)}")
    return has[name]


def same(asked: Sharing, recorded: Slices | None) -> bool:
    """Tell whether the recorded slices are those that the user asks for."""
    if recorded is None or asked.mode.value != recorded.mode:
        return recorded is None and asked.mode is SharingMode.NONE
    if asked.mode is SharingMode.MIG:
        return recorded.resource == f"{contract.MIG_DEVICE}{asked.profile}"
    return recorded.per_gpu == asked.slices_per_gpu


def described(recorded: Slices | None) -> str:
    """Return in words how a node pool shares its GPUs."""
    if recorded is None:
        return "does not share its GPUs"
    of = recorded.resource.removeprefix(contract.MIG_DEVICE) if recorded.mode == "MIG" else "slices"
    return f"shares its GPUs by {recorded.mode} ({recorded.per_gpu} x {of} a GPU)"


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]
