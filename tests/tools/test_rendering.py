"""The real reconciler over a made-up function."""

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.tools.farm import COMMAND, made_claim
from tools import engine, inputs, paths, servers
from tools.admission import ask
from tools.console import text
from tools.control_plane.waiting import patience
from tools.definitions import Definitions
from tools.errors import ToolError
from tools.manifests import load, resource_name
from tools.observe import observe
from tools.rendering import render
from tools.report import results, tree, unready
from tools.servers import running
from tools.settle import settle

Targets = Mapping[str, str]


def test_a_render(definitions: Definitions, targets: Targets) -> None:
    xr = inputs.as_xr(made_claim(), definitions)
    rendered = render(xr, targets, definitions=definitions)
    assert [resource_name(m) for m in rendered.composed] == ["house"]
    [house] = rendered.composed
    assert house["metadata"]["name"] == f"{xr['metadata']['name']}-house"
    assert house["metadata"]["ownerReferences"][0]["uid"] == xr["metadata"]["uid"]
    assert rendered.xr["status"]["phase"] == "Building"
    assert list(results(rendered)) == ['Normal: Pipeline step "plough": saw 0']
    assert unready(rendered) == {"house"}
    assert rendered.fatal is None


def test_the_rendered_xr_has_the_defaults_of_an_api_server(
    definitions: Definitions, targets: Targets
) -> None:
    xr = inputs.as_xr(made_claim(fields=[{"name": "a"}]), definitions)
    rendered = render(xr, targets, definitions=definitions)
    assert rendered.xr["spec"]["size"] == 3
    [answer] = ask([xr], [definitions.xrds])
    assert {**rendered.xr["spec"], **answer.stored["spec"]} == rendered.xr["spec"]


def test_a_fatal_result_is_told_in_the_functions_words(definitions: Definitions, targets: Targets) -> None:
    xr = inputs.as_xr(made_claim(say="fatal"), definitions)
    rendered = render(xr, targets, definitions=definitions)
    assert rendered.fatal == "plough: spec.say: got fatal,\nallowed anything else"
    assert rendered.composed == []


def test_another_failure_of_the_engine_is_no_fatal_result(
    definitions: Definitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "RENDER_SECONDS", 1)
    xr = inputs.as_xr(made_claim(), definitions)
    with pytest.raises(ToolError, match=r"crossplane internal render exits 1:\n.*plough"):
        render(xr, {"function-farm": "127.0.0.1:1"}, definitions=definitions)


def test_a_status_field_that_is_no_longer_set_goes_away(definitions: Definitions, targets: Targets) -> None:
    first = render(inputs.as_xr(made_claim(), definitions), targets, definitions=definitions)
    assert first.xr["status"]["started"] is True
    observed = observe(first.composed, first.xr)
    second = render(first.xr, targets, observed=observed, definitions=definitions)
    assert "started" not in second.xr["status"]


def test_the_claims_conditions_stay_the_claims(definitions: Definitions, targets: Targets) -> None:
    xr = inputs.as_xr(made_claim(), definitions)
    for _ in range(3):
        xr = render(xr, targets, definitions=definitions).xr
        assert xr["status"]["claimConditionTypes"] == ["Built"]


def test_settling_plays_the_waves(definitions: Definitions, targets: Targets) -> None:
    xr = inputs.as_xr(made_claim(), definitions)
    settled = settle(xr, targets, definitions=definitions)
    assert [r.new for r in settled.rounds] == [("house",), ("barn", "silo"), ()]
    assert settled.xr["status"]["phase"] == "Ready"
    assert len(settled.observed) == 3
    name = xr["metadata"]["name"]
    assert text(tree(settled, "Farm team-a/home")) == [
        "Farm team-a/home",
        f"└── XFarm {name}  ready",
        "    ├── wave 1",
        f"    │   └── ConfigMap {name}-house  ready",
        "    └── wave 2",
        f"        ├── ConfigMap {name}-barn  ready",
        f"        └── ConfigMap {name}-silo  ready",
    ]


def test_what_never_settles_is_named(definitions: Definitions, targets: Targets) -> None:
    xr = inputs.as_xr(made_claim(say="restless"), definitions)
    with pytest.raises(ToolError, match=r"after 4 rounds:\n  XR status: rounds: 3 became 4"):
        settle(xr, targets, definitions=definitions, max_rounds=4)


def test_observed_resources_of_a_live_cluster_give_the_xr_its_identity(
    definitions: Definitions, targets: Targets
) -> None:
    xr = inputs.as_xr(made_claim(), definitions)
    xr["metadata"] |= {"name": "home-live1", "uid": "11111111-0000-0000-0000-000000000000"}
    live = observe(render(xr, targets, definitions=definitions).composed, xr)
    again = inputs.as_xr(made_claim(), definitions, live)
    assert again["metadata"]["name"] == "home-live1"
    rendered = render(again, targets, observed=live, definitions=definitions)
    assert len(rendered.composed) == 3


def test_a_required_claim_without_a_status_is_played_first(
    definitions: Definitions, targets: Targets
) -> None:
    said: list[str] = []
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    found = inputs.required_resources([made_claim(), other], targets, definitions, said.append)
    assert [m["kind"] for m in found] == ["XFarm", "ConfigMap"]
    assert found[0]["status"]["phase"] == "Ready"
    assert said == ["Farm team-a/home has no status: settling it, with everything composed reported ready"]


def test_a_function_that_is_not_running_is_named(definitions: Definitions) -> None:
    with pytest.raises(ToolError, match="needs function-farm, which is not running"):
        render(inputs.as_xr(made_claim(), definitions), {}, definitions=definitions)


def test_a_server_that_exits_says_why() -> None:
    with (
        pytest.raises(ToolError, match=r"function-cow exited with code 2[^$]*no function cow"),
        running(["function-cow"], command=COMMAND),
    ):
        pass


def test_a_server_has_as_long_to_start_as_patience_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "START_SECONDS", 0.1)
    monkeypatch.setenv("PATIENCE", "10")
    silent = (sys.executable, "-c", "import time; time.sleep(60)")
    with (
        pytest.raises(ToolError, match=r"function-cow did not answer on \S+ in 1 s"),
        running(["function-cow"], command=silent),
    ):
        pass


def test_servers_stop_when_their_user_is_told_to(tmp_path: Path) -> None:
    script = tmp_path / "user.py"
    script.write_text(
        "import time\n"
        "from tools.servers import running\n"
        f"with running(['function-farm'], command={COMMAND!r}) as servers:\n"
        "    print(servers.by_name['function-farm'].process.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    user = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        text=True,
        cwd=paths.ROOT,
        env={"PYTHONPATH": str(paths.ROOT)},
    )
    assert user.stdout is not None
    server = int(user.stdout.readline())
    user.send_signal(signal.SIGTERM)
    assert user.wait(timeout=10 * patience()) == 128 + signal.SIGTERM
    user.stdout.close()
    status = Path(f"/proc/{server}/cmdline")
    assert not status.exists() or "fake_function" not in status.read_text()


def test_the_made_up_definitions_are_read(definitions: Definitions) -> None:
    [composition] = definitions.all_compositions
    assert composition.functions == ("function-farm",)
    assert load(composition.path)[0]["kind"] == "Composition"
