"""IPv4 ranges: what AWS takes, and what the subnets need."""

from __future__ import annotations

from ipaddress import IPv4Network

__all__ = ["SERVICE_LARGEST", "SERVICE_SMALLEST", "VPC_LARGEST", "VPC_SMALLEST", "check_aws_networks"]

VPC_LARGEST, VPC_SMALLEST = 16, 20
"""Prefix lengths. AWS allows /16 to /28; below /20 the private subnets, a quarter
each, hold too few addresses for nodes and their pods."""
SERVICE_LARGEST, SERVICE_SMALLEST = 12, 24
"""Prefix lengths. EKS: kubernetesNetworkConfig.serviceIpv4Cidr."""
_PRIVATE = tuple(IPv4Network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


def check_aws_networks(vpc: str, service: str, public: list[str]) -> None:
    """Check the ranges of one cluster.

    Raises:
        ValueError: says which range is wrong, and how it should be.
    """
    vpc_range = _private_range("vpcCidr", vpc, VPC_LARGEST, VPC_SMALLEST)
    service_range = _private_range("serviceCidr", service, SERVICE_LARGEST, SERVICE_SMALLEST)
    if vpc_range.overlaps(service_range):
        raise ValueError(
            f"vpcCidr {vpc} and serviceCidr {service} overlap: choose ranges apart from each other"
        )
    for given in public:
        _range("publicAccessCidrs", given)


def _range(field: str, given: str) -> IPv4Network:
    try:
        return IPv4Network(given)
    except ValueError as error:
        raise ValueError(f"{field} {given} is not an IPv4 range such as 10.0.0.0/16: {error}") from None


def _private_range(field: str, given: str, largest: int, smallest: int) -> IPv4Network:
    found = _range(field, given)
    if not largest <= found.prefixlen <= smallest:
        raise ValueError(f"{field} {given} must be between /{largest} (largest) and /{smallest} (smallest)")
    if not any(found.subnet_of(private) for private in _PRIVATE):
        raise ValueError(
            f"{field} {given} must lie in a private range: {', '.join(str(private) for private in _PRIVATE)}"
        )
    return found
