"""A SLURM cluster for the tests of this folder, which run where `tox -e slurm` says so."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.run.slurm.cluster import Cluster, Unavailable, require


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Return a cluster that runs; skip where it cannot."""
    if not os.environ.get("TUSKBENCH_TEST_SLURM"):
        pytest.skip("starts daemons: run tox -e slurm")
    pytest.importorskip("submitit")
    # Not below pytest's own folder, which munge finds too open.
    with tempfile.TemporaryDirectory() as folder:
        made = None
        try:
            require(install=True)
            Path(folder).chmod(0o755)
            made = Cluster(Path(folder) / "slurm")
            made.start()
            os.environ["SLURM_CONF"] = str(made.configuration)
            yield made
        except Unavailable as reason:
            pytest.skip(str(reason))
        finally:
            os.environ.pop("SLURM_CONF", None)
            if made is not None:
                made.stop()
