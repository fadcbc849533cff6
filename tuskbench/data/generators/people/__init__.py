"""Human figures of Human3.6M's kind: posed skeletons, dressed in capsules, seen by a camera."""

from tuskbench.data.generators.people.generate import People, Scene, generate

__all__ = ["People", "Scene", "generate"]
