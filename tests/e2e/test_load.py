"""A small load: that it is Ready, and what is in the table. `make load` is the large one."""

from __future__ import annotations

from tests.e2e import load
from tests.e2e.conftest import Plane

COUNT = 3
MOST_CALLS = 40
"""Of function-vllm for one Model: three times what it takes."""


def test_models_are_ready_and_their_cost_is_known(control_plane: Plane) -> None:
    models, nothing = load.measure(control_plane, COUNT)
    rows = list(load.rows(COUNT, models, nothing))
    found = {what: (model, idle) for what, model, idle in rows}
    assert found["seconds until all are Ready"] > (0, 0)
    assert all(1 <= calls <= MOST_CALLS for calls in found["RunFunction calls per claim"])
    assert all(mean > 0 for mean in found["RunFunction mean, ms"])
    assert all(mean > 0 for mean in found["reconcile mean, ms"])
    assert sum(found["openings of circuit breakers"]) == 0
    assert all(mib > 1 for mib in found["crossplane, peak MiB"])
    assert load.table(rows).count("\n") == len(rows) + 1
