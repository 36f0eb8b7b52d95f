"""Four slurmd with names and ports of their own on this machine: a real Slurm, in a folder, ended by its pids."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

NODES = 4
# From SIGTERM to SIGKILL, s.
KILL_WAIT_S = 10
NEEDED = ["munged", "slurmctld", "slurmd", "srun", "sbatch", "scancel", "sinfo", "unshare"]

CONFIGURATION = """\
ClusterName=t
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/ctld.pid
SlurmdPidFile={folder}/d-%n.pid
SlurmctldLogFile={folder}/log/ctld
SlurmdLogFile={folder}/log/d-%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
KillWait={kill_wait_s}
SchedulerParameters=bf_interval=1,sched_min_interval=100000
{nodes}
PartitionName=p Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing():
    """What of the programs is not here; a path of the administrator's programs counts."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    return [name for name in NEEDED if shutil.which(name) is None]


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Cluster:
    """Use in a `with`: whatever happens, what it started is ended."""

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="harness-slurm-"))
        self.started = []
        for name in ("munge", "state", "spool", "log"):
            (self.folder / name).mkdir(mode=0o755)
        try:
            self.begin()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_):
        self.end()

    def begin(self):
        ctld_port, *ports = free_ports(1 + NODES)
        cores = os.cpu_count() or 1
        # All nodes are this machine; what is known of its cores is told as it is, or slurmd drains itself.
        nodes = "\n".join(
            f"NodeName=n{number} NodeHostname={socket.gethostname()} NodeAddr=127.0.0.1 Port={port} CPUs={cores} State=UNKNOWN"
            for number, port in enumerate(ports, 1)
        )
        configuration = self.folder / "slurm.conf"
        text = CONFIGURATION.format(
            host=socket.gethostname(), ctld_port=ctld_port, folder=self.folder, nodes=nodes,
            kill_wait_s=KILL_WAIT_S,
        )
        configuration.write_text(text)
        os.environ["SLURM_CONF"] = str(configuration)
        self.begin_munge()
        self.spawn(["slurmctld", "-D", "-c", "-f", str(configuration)])
        for number in range(1, NODES + 1):
            self.spawn(["slurmd", "-D", "-f", str(configuration), "-N", f"n{number}"])
        self.until(self.all_idle, 60, "the nodes did not become idle")

    def begin_munge(self):
        place = self.folder / "munge"
        key = place / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        self.spawn(
            ["munged", "--foreground", "--force", f"--socket={place}/socket", f"--key-file={key}",
             f"--pid-file={place}/pid", f"--log-file={place}/log", f"--seed-file={place}/seed"]
        )
        self.until(lambda: (place / "socket").exists(), 10, "munged did not start")

    def spawn(self, command):
        log = (self.folder / "log" / "started").open("ab")
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.started.append(process)
        return process

    def all_idle(self):
        for process in self.started:
            if process.poll() is not None:
                raise RuntimeError(f"{process.args[0]} ended: {process.returncode}\n{self.logs()}")
        told = subprocess.run(["sinfo", "-h", "-N", "-o", "%N %T"], capture_output=True, text=True)
        return sorted(told.stdout.split("\n")[:-1]) == [f"n{number} idle" for number in range(1, NODES + 1)]

    def until(self, done, seconds, otherwise):
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{otherwise}\n{self.logs()}")
            time.sleep(0.1)

    def logs(self):
        files = sorted((self.folder / "log").iterdir())
        return "\n".join(f"== {path.name}\n{path.read_text(errors='replace')[-1500:]}" for path in files)

    def end(self):
        """Jobs first, then the daemons, the newest first; each by its pid."""
        if shutil.which("scancel") and len(self.started) > 1:
            subprocess.run(["scancel", "--full", "--signal=KILL", "--user=root"], capture_output=True, timeout=20)
        for process in reversed(self.started):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.started:
            try:
                process.wait(3)  # their state is thrown away: no reason to wait for it
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
