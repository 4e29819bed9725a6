"""Amounts of CPU and memory as Kubernetes writes them.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from decimal import Decimal

__all__ = ["QUANTITY", "cpu", "mebibytes", "memory", "millicores"]

QUANTITY = r"^\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"
"""Pattern of an amount in a spec."""

_FACTORS = {
    **{"": Decimal(1), "m": Decimal("0.001")},
    **{"k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12)},
    **{"Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40)},
}


def millicores(quantity: str) -> int | None:
    """Return an amount of CPU in thousandths of a core, rounded down; None for what is none."""
    amount = _amount(quantity)
    return None if amount is None else int(amount * 1000)


def mebibytes(quantity: str) -> int | None:
    """Return an amount of memory in MiB, rounded down; None for what is none."""
    amount = _amount(quantity)
    return None if amount is None else int(amount / 2**20)


def cpu(millicores: int) -> str:
    """Return thousandths of a core as a quantity: `2`, `730m`."""
    return f"{millicores}m" if millicores % 1000 else str(millicores // 1000)


def memory(mebibytes: int) -> str:
    """Return MiB as a quantity: `11Gi`, `2949Mi`."""
    return f"{mebibytes}Mi" if mebibytes % 1024 else f"{mebibytes // 1024}Gi"


def _amount(quantity: str) -> Decimal | None:
    if not re.match(QUANTITY, quantity):
        return None
    unit = quantity.lstrip("0123456789.")
    return Decimal(quantity.removesuffix(unit)) * _FACTORS[unit]
