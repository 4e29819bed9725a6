"""Names: within limits, DNS labels, and different for different things."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.base import HELM_RELEASE, LABEL, digest, unique_name
from functions.base.naming import SHORTEST

DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")

KNOWN = [
    ("plain", ("team-a", "qwen3"), LABEL, "team-a-qwen3-"),
    ("other characters", ("Team_A", "Qwen/Qwen3.8B"), LABEL, "team-a-qwen-qwen3-8b-"),
    ("begins with a digit", ("3d", "x"), LABEL, "x-3d-x-"),
    ("nothing readable", ("東京", "!"), LABEL, "x-"),
    ("empty", ("",), LABEL, "x-"),
    ("no dash before the digest", ("a" * 5 + "-" * 9 + "b",), SHORTEST + 5, "aaaaa-"),
    ("cut at a dash", ("abcde", "f"), SHORTEST + 5, "abcde-"),
]


@pytest.mark.parametrize(("parts", "limit", "want"), [k[1:] for k in KNOWN], ids=[k[0] for k in KNOWN])
def test_readable_part(parts: tuple[str, ...], limit: int, want: str) -> None:
    name = unique_name(*parts, limit=limit)
    assert name == want + digest(*parts)


def test_names_never_change() -> None:
    assert unique_name("team-a", "qwen3-8b") == "team-a-qwen3-8b-e32a75", "what is live would be made anew"


LONG = "a-very-long-name-that-goes-on-and-on-and-on-until-it-fills-the-whole-label"
DIFFERENT = [
    ("parts", ("a-b", "c"), ("a", "b-c")),
    ("joined", ("a", "b"), ("a-b",)),
    ("empty part", ("a", ""), ("a",)),
    ("long names with equal beginnings", (LONG + "1",), (LONG + "2",)),
    ("case", ("A",), ("a",)),
    ("replaced characters", ("a.b",), ("a_b",)),
    ("unicode", ("東京",), ("大阪",)),
    ("composed and decomposed", ("é",), ("e\u0301",)),
]


@pytest.mark.parametrize(("one", "other"), [d[1:] for d in DIFFERENT], ids=[d[0] for d in DIFFERENT])
@pytest.mark.parametrize("limit", [LABEL, HELM_RELEASE, 20])
def test_different_things_have_different_names(
    one: tuple[str, ...], other: tuple[str, ...], limit: int
) -> None:
    assert unique_name(*one, limit=limit) != unique_name(*other, limit=limit)


def test_unique_parts_take_the_place_of_the_readable_ones() -> None:
    assert unique_name("x", unique=("uid",)) == f"x-{digest('uid')}"
    assert unique_name("x", unique=("uid", "2")) != unique_name("x", unique=("uid2",))


def test_a_limit_that_holds_no_name_is_refused() -> None:
    assert DNS_LABEL.fullmatch(unique_name("a", limit=SHORTEST))
    with pytest.raises(ValueError, match="no unique name has at most"):
        unique_name("a", limit=SHORTEST - 1)


@given(st.lists(st.text(), min_size=1, max_size=4), st.integers(18, 253), st.sampled_from([6, 16]))
def test_always_a_label_within_the_limit(parts: list[str], limit: int, digits: int) -> None:
    name = unique_name(*parts, limit=limit, digits=digits)
    assert len(name) <= limit
    assert DNS_LABEL.fullmatch(name), name
    assert re.fullmatch(f"[0-9a-f]{{{digits}}}", name[-digits:])
    assert name == unique_name(*parts, limit=limit, digits=digits)


PARTS = st.lists(st.text("ab-", max_size=4), min_size=1, max_size=3)


@given(PARTS, PARTS)
def test_equal_names_mean_equal_parts(one: list[str], other: list[str]) -> None:
    assert (unique_name(*one) == unique_name(*other)) == (one == other)
