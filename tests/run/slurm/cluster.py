"""A SLURM cluster of one machine, without systemd or cgroups, for tests.

Needs root and Debian's packages slurm-wlm and munge. `python -m tests.run.slurm.cluster FOLDER`
starts it, prints the value of $SLURM_CONF that finds it, and stops it at the end of its input.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGES = ("slurm-wlm", "munge")

# Two partitions over the same node: jobs of the second make those of the first go back to the
# queue. A requeued job waits for as long as a credential lives, by default two minutes.
CONFIGURATION = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmctldDebug=verbose
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
MailProg=/bin/true
ReturnToService=2
KillWait=5
MinJobAge=60
SlurmctldTimeout=30
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=normal Nodes={host} Default=YES PriorityTier=1 MaxTime=60 GraceTime=10
PartitionName=urgent Nodes={host} PriorityTier=10 MaxTime=60 PreemptMode=OFF
"""


class Unavailable(Exception):  # noqa: N818 - a reason to skip, not an error
    """SLURM cannot be run here; the message says why."""


def require(install: bool) -> None:
    """Make sure that SLURM can be started here.

    Raises:
        Unavailable: if it cannot.
    """
    if os.name != "posix" or os.geteuid() != 0:
        raise Unavailable("a SLURM cluster of one's own needs root")
    if all(map(shutil.which, ("slurmctld", "slurmd", "munged"))):
        return
    if not install or not shutil.which("apt-get"):
        raise Unavailable(f"the packages {' and '.join(PACKAGES)} are not installed")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run(
            ["apt-get", *arguments], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise Unavailable(f"the packages {' and '.join(PACKAGES)} cannot be installed: {last}")


class Cluster:
    """munged, slurmctld and slurmd with all their files in one folder.

    Args:
        folder: new, and below none that others may write to (sticky ones apart).
        cpus: how many the node has, whatever the machine has.
    """

    def __init__(self, folder: Path, cpus: int = 2) -> None:
        self.folder = folder
        self.configuration = folder / "slurm.conf"
        self.environment = {**os.environ, "SLURM_CONF": str(self.configuration)}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        ports = [_free_port() for _ in range(2)]
        for name in ("state", "spool", "munge"):
            (folder / name).mkdir(parents=True)
        self.configuration.write_text(
            CONFIGURATION.format(
                host=socket.gethostname().partition(".")[0],
                folder=folder,
                controller_port=ports[0],
                node_port=ports[1],
                cpus=cpus,
            )
        )

    def start(self) -> None:
        """Start the daemons and wait until the node takes jobs."""
        self._start_munge()
        self.start_controller()
        self._start("slurmd", "slurmd", "-D")
        self._wait_until_idle()

    def stop(self) -> None:
        """End jobs and daemons."""
        subprocess.run(["scancel", "--full", "--user=root"], env=self.environment, check=False)
        until = time.monotonic() + 20
        while time.monotonic() < until and self._says("squeue", "--noheader"):
            time.sleep(0.5)
        for name in ("slurmd", "slurmctld", "munged"):
            self._stop(name)

    def start_controller(self) -> None:
        """Start slurmctld, with the jobs that it knew when it was stopped."""
        arguments = [] if any((self.folder / "state").iterdir()) else ["-c"]
        self._start("slurmctld", "slurmctld", "-D", *arguments)

    def stop_controller(self) -> None:
        """Stop slurmctld; what runs goes on."""
        self._stop("slurmctld")

    def logs(self) -> str:
        """Return the ends of the daemons' logs."""
        files = sorted(self.folder.glob("*.log"))
        return "\n".join(f"== {file.name}\n{file.read_text()[-3000:]}" for file in files)

    def _start_munge(self) -> None:
        munge, user = self.folder / "munge", pwd.getpwnam("munge")
        key = munge / "key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        for path in (munge, key):
            os.chown(path, user.pw_uid, user.pw_gid)
        files = {"key-file": key, "socket": munge / "socket"}
        files |= {f"{name}-file": munge / name for name in ("pid", "log", "seed")}
        options = [f"--{name}={path}" for name, path in files.items()]
        self._start("munged", "munged", "--foreground", "--force", *options, user=user)
        _wait_for(files["socket"].exists, self.logs)

    def _start(self, name: str, *command: str, user: pwd.struct_passwd | None = None) -> None:
        path = shutil.which(command[0])
        assert path is not None
        output = (self.folder / f"{name}.out.log").open("ab")
        rights = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        self._processes[name] = subprocess.Popen(
            [path, *command[1:]],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            **rights,  # type: ignore[call-overload]
        )
        output.close()

    def _stop(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _wait_until_idle(self) -> None:
        _wait_for(lambda: "idle" in self._says("sinfo", "--noheader", "--format=%T"), self.logs)

    def _says(self, *command: str) -> str:
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        )
        return done.stdout


def _wait_for(condition: Callable[[], bool], problem: Callable[[], str]) -> None:
    until = time.monotonic() + 60
    while not condition():
        if time.monotonic() > until:
            raise Unavailable(f"SLURM does not start: {problem()}")
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    require(install=True)
    cluster = Cluster(Path(sys.argv[1]))
    try:
        cluster.start()
        print(f"SLURM_CONF={cluster.configuration}", flush=True)
        sys.stdin.read()
    finally:
        cluster.stop()
