"""From a spec to cells: their ids, what is stored already, what is skipped and why, the cost."""

from tuskbench.plan.make import default_budget, make_plan
from tuskbench.plan.manifest import manifest, write_manifest
from tuskbench.plan.model import Plan, PlannedCell
from tuskbench.plan.needs import provided

__all__ = [
    "Plan",
    "PlannedCell",
    "default_budget",
    "make_plan",
    "manifest",
    "provided",
    "write_manifest",
]
