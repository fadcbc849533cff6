"""Whether a module of another package can be imported without ending the process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from tuskbench.errors import BrokenComponentError
from tuskbench.registry.entry import THIS_PROCESS

if TYPE_CHECKING:
    from tuskbench.registry.entry import Entry

_IMPORT = """
import importlib, json, os, sys
sys.path[:] = json.loads(sys.argv[1])
try:
    importlib.import_module(sys.argv[2])
except KeyboardInterrupt:
    os._exit(4)
except BaseException:
    pass
print("survived", flush=True)
os._exit(0)
"""


def check_import(entry: Entry) -> None:
    """Import the module of an entry in a process apart, unless this one has it already.

    What the import raises is left to whoever imports it here.

    Raises:
        BrokenComponentError: if the import ends its process.
    """
    own = entry.distribution in ("tuskbench", THIS_PROCESS)
    if own or entry.problem or entry.module in sys.modules:
        return
    command = [sys.executable, "-P", "-c", _IMPORT, json.dumps(sys.path), entry.module]
    ended = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    if not ended.stdout.endswith(b"survived\n"):
        code = ended.returncode
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        reason = f"importing {entry.module} ends the process {how}"
        raise BrokenComponentError(entry.kind, entry.name, entry.distribution, reason)
