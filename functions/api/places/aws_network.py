"""IPv4 ranges: what AWS takes, and what the subnets need. Each rule in CEL and beside it in Python."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

from ..schema import Rule

__all__ = [
    "APART",
    "PUBLIC",
    "PUBLIC_FORM",
    "SERVICE",
    "VPC",
    "PrivateRange",
    "check_apart",
    "check_public",
]

_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
_UNROUTED = (*_PRIVATE, "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16")
"""What EKS refuses as a source of public access."""
_IN_ORDER = "isCIDR(self) && cidr(self).ip().family() == 4 && cidr(self) == cidr(self).masked()"


def _within(ranges: tuple[str, ...]) -> str:
    """Return CEL that tells whether a range lies in one of these."""
    return f"{list(ranges)}.exists(r, cidr(r).containsCIDR(cidr(self)))"


@dataclass(frozen=True)
class PrivateRange:
    """A private range of a size, written without host bits."""

    field: str
    largest: int
    """Prefix length."""
    smallest: int
    """Prefix length."""

    @property
    def rule(self) -> Rule:
        """The rule in CEL."""
        return Rule(
            f"{_IN_ORDER} && cidr(self).prefixLength() >= {self.largest}"
            f" && cidr(self).prefixLength() <= {self.smallest} && {_within(_PRIVATE)}",
            f"{self.field} must be a private IPv4 range between /{self.largest} and /{self.smallest}, "
            "such as 10.0.0.0/16",
        )

    def check(self, given: str) -> str:
        """Return the range as given.

        Raises:
            ValueError: in the rule's words.
        """
        found = _range(given)
        if found is None or not self.largest <= found.prefixlen <= self.smallest or not _in(_PRIVATE, found):
            raise ValueError(self.rule.message)
        return given


VPC = PrivateRange("aws.vpcCidr", 16, 20)
"""AWS allows /16 to /28; below /20 the private subnets, a quarter each, hold too few
addresses for nodes and their pods."""
SERVICE = PrivateRange("aws.serviceCidr", 12, 24)
"""EKS: kubernetesNetworkConfig.serviceIpv4Cidr."""

APART = Rule(
    "has(self.existingNetwork) || !isCIDR(self.serviceCidr)"
    " || (has(self.vpcCidr) ? [self.vpcCidr] : ['10.0.0.0/16']).all(vpc, !isCIDR(vpc) ||"
    " !(cidr(vpc).containsCIDR(cidr(self.serviceCidr)) || cidr(self.serviceCidr).containsCIDR(cidr(vpc))))",
    "aws.vpcCidr and aws.serviceCidr overlap: choose ranges apart from each other",
)
PUBLIC_FORM = Rule(
    _IN_ORDER,
    "aws.publicAccessCidrs takes IPv4 ranges with a prefix and without host bits, "
    "such as 203.0.113.10/32 or 203.0.113.0/24",
)
PUBLIC = Rule(
    f"!isCIDR(self) || !{_within(_UNROUTED)}",
    "aws.publicAccessCidrs: list public addresses; the private endpoint is always open to the VPC",
)


def check_apart(vpc: str, service: str) -> None:
    """Check two ranges that are each in order.

    Raises:
        ValueError: when they overlap.
    """
    if IPv4Network(vpc).overlaps(IPv4Network(service)):
        raise ValueError(f"{APART.message} (got {vpc} and {service})")


def check_public(given: str) -> str:
    """Return a source of public access as given.

    Raises:
        ValueError: for what is no range, or one that never comes from outside.
    """
    found = _range(given)
    if found is None:
        raise ValueError(PUBLIC_FORM.message)
    if _in(_UNROUTED, found):
        raise ValueError(PUBLIC.message)
    return given


def _range(given: str) -> IPv4Network | None:
    """Return a range that is written well: with its prefix, and without host bits or leading zeros."""
    try:
        found = IPv4Network(given)
    except ValueError:
        return None
    return found if str(found) == given else None


def _in(ranges: tuple[str, ...], found: IPv4Network) -> bool:
    return any(found.subnet_of(IPv4Network(outer)) for outer in ranges)
