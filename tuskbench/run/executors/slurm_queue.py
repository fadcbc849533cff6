"""SLURM's own commands: what is queued, why a job ended, and how to end one."""

from __future__ import annotations

import getpass
import re
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# A controller that is restarted answers late.
_TIMEOUT_SECONDS = 60
# Ids that fit a command line with room to spare.
_IDS_A_CALL = 500


def queued() -> dict[str, str] | None:
    """Return the state of every job of this user that has not ended; None without an answer.

    Jobs of arrays have ids such as `12_3`.
    """
    # Asked by user, because asking for a job that is gone fails for all of them.
    user = getpass.getuser()
    output = _run("squeue", "--noheader", "--array", f"--user={user}", "--format=%i|%T")
    if output is None:
        return None
    lines = (line.strip().partition("|") for line in output.splitlines())
    return {id: state for id, bar, state in lines if bar}


def why_ended(job: str) -> str:
    """Return the state and the reason of a job that has ended, as far as SLURM remembers."""
    output = _run("scontrol", "--oneliner", "show", "job", job) or ""
    found = dict(re.findall(r"\b(JobState|Reason)=(\S+)", output))
    state, reason = found.get("JobState", "unknown"), found.get("Reason", "None")
    return state if reason == "None" else f"{state}, {reason}"


def interrupt(jobs: Iterable[str]) -> None:
    """Drop the jobs that wait, and let those that run checkpoint and end."""
    _cancel(jobs, "--state=PENDING")
    _cancel(jobs, "--signal=INT", "--state=RUNNING")


def cancel(jobs: Iterable[str]) -> None:
    """End jobs at once."""
    _cancel(jobs, "--signal=KILL", "--state=RUNNING")
    _cancel(jobs)


def _cancel(jobs: Iterable[str], *options: str) -> None:
    ids = list(jobs)
    for first in range(0, len(ids), _IDS_A_CALL):
        _run("scancel", "--quiet", *options, *ids[first : first + _IDS_A_CALL])


def _run(*command: str) -> str | None:
    """Return what a command prints, or None where it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
