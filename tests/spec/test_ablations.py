"""The shipped ablations test what they name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tuskbench.plan import make_plan
from tuskbench.spec.load import load

SPECS = Path(__file__).parents[2] / "specs"
BUDGETS = ("smoke", "cpu", "gpu", "paper")


def systems(spec: str, budget: str, out: Path, **overrides: Any) -> dict[str, dict[str, Any]]:
    """Return the settings of every row that trains TUSK, by its label."""
    overrides = {"task.source": "digits", **overrides}
    plan = make_plan(load(SPECS / f"{spec}.toml"), budget=budget, out=out, overrides=overrides)
    cells = [planned.cell for planned in plan.cells]
    return {cell.variant: dict(cell.system) for cell in cells if cell.system["name"] == "tusk"}


def flat(settings: dict[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in settings.items():
        nested = isinstance(value, dict)
        found |= flat(value, f"{above}{key}.") if nested else {above + key: value}
    return found


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize(
    ("spec", "varied"),
    [
        (
            "ablation_losses",
            {
                "prototype_steps",
                "clustering_weight",
                "heatmap_equivariance",
                "feature_equivariance",
                "strategy",
            },
        ),
        ("ablation_clustering", {"regularizer"}),
    ],
)
def test_rows_of_a_table_follow_the_published_schedule_and_share_what_it_does_not_vary(
    spec: str, varied: set[str], budget: str, tmp_path: Path
) -> None:
    rows = systems(spec, budget, tmp_path)
    tuned = {label for label in rows if "tuned schedule" in label}
    assert len(tuned) == 1
    shared = []
    for label, settings in rows.items():
        if label in tuned:
            continue
        # From step 0 on, so that k-means never places prototypes and codes are trained when used.
        assert settings["clustering_start"] == 0, label
        assert settings["prototype_learning_rate"] == 0.1, label
        rest = {k: v for k, v in flat(settings).items() if k.split(".")[0] not in varied}
        shared.append(rest)
    assert len(shared) >= 4
    assert all(rest == shared[0] for rest in shared)


def test_the_tuned_row_is_the_budgets_own_recipe(tmp_path: Path) -> None:
    tuned = systems("ablation_losses", "cpu", tmp_path)["all losses, tuned schedule"]
    assert tuned == systems("ablation_prototypes", "cpu", tmp_path)["M=10"]


@pytest.mark.parametrize("budget", BUDGETS)
def test_a_side_that_is_asked_for_reaches_the_head_at_every_budget(
    budget: str, tmp_path: Path
) -> None:
    rows = systems("ablation_losses", budget, tmp_path, faithful_to="code")
    assert {settings["head"]["faithful_to"] for settings in rows.values()} == {"code"}
    assert {settings["regularizer"]["faithful_to"] for settings in rows.values()} == {"code"}
