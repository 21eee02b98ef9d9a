"""Every path podrun owns, in one place (the table in docs/architecture.md says who writes each).

state_root/  images/ snapshots/ network/ users/ seccomp/{profiles,compiled}/
             objects/<plural>/<hash>.json claims/<ns>/<name>/
             pods/<uid>/{pod,facts,claims}.json events.jsonl
             pods/<uid>/volumes/<name>/   pods/<uid>/containers/<name>/<attempt>/
run_root/    agent.sock agent.lock locks/<uid> c/<id>.{json,sock}
log_root/    pods/<ns>_<name>_<uid>/<container>/<attempt>.log
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from podrun.node.config import Config


class PodPaths(msgspec.Struct, frozen=True):
    """What belongs to one pod."""

    uid: str
    root: Path
    logs: Path
    lock: Path
    all_claims: Path = Path()  # where those of every pod are

    @property
    def pod(self) -> Path:
        return self.root / "pod.json"

    @property
    def facts(self) -> Path:
        return self.root / "facts.json"

    @property
    def events(self) -> Path:
        return self.root / "events.jsonl"

    @property
    def sandbox(self) -> Path:
        return self.root / "sandbox.json"

    @property
    def etc(self) -> Path:
        """hosts, hostname and resolv.conf, bind-mounted into every container."""
        return self.root / "etc"

    @property
    def claims(self) -> Path:
        """Which claims no other pod may have meanwhile (``podrun.agent.claimvolumes``)."""
        return self.root / "claims.json"

    def volume(self, name: str) -> Path:
        return self.root / "volumes" / name

    def attempt(self, container: str, attempt: int) -> Path:
        """One run of one container: started.json, exit.json, upper/, work/."""
        return self.root / "containers" / container / str(attempt)

    def log(self, container: str, attempt: int) -> Path:
        return self.logs / container / f"{attempt}.log"


class Paths:
    """The roots of one node."""

    def __init__(self, config: Config) -> None:
        self.state = Path(config.state_root)
        self.run = Path(config.run_root)
        self.log = Path(config.log_root)
        self._profiles = config.seccomp_profile_root

    @property
    def pods(self) -> Path:
        return self.state / "pods"

    @property
    def objects(self) -> Path:
        """ConfigMaps, Secrets, claims and workloads (``podrun.agent.objectstore``)."""
        return self.state / "objects"

    @property
    def claims(self) -> Path:
        """The directories of PersistentVolumeClaims: <namespace>/<name>/; they outlive all pods."""
        return self.state / "claims"

    @property
    def images(self) -> Path:
        return self.state / "images"

    @property
    def snapshots(self) -> Path:
        return self.state / "snapshots"

    @property
    def network(self) -> Path:
        return self.state / "network"

    @property
    def users(self) -> Path:
        """Leases of user ids (``podrun.sandbox.idleases``)."""
        return self.state / "users"

    @property
    def seccomp_profiles(self) -> Path:
        """Where localhostProfile is looked for: the administrator's files."""
        return Path(self._profiles) if self._profiles else self.state / "seccomp" / "profiles"

    @property
    def seccomp_filters(self) -> Path:
        """Compiled profiles, by the hash of what they were made of."""
        return self.state / "seccomp" / "compiled"

    @property
    def socket(self) -> Path:
        return self.run / "agent.sock"

    @property
    def agent_lock(self) -> Path:
        return self.run / "agent.lock"

    @property
    def agent_stopped(self) -> Path:
        """Somebody wants no agent to run (``podrun.agent.stopped``)."""
        return self.run / "agent.stopped"

    @property
    def agent_log(self) -> Path:
        return self.log / "agent.log"

    @property
    def runtime(self) -> Path:
        """Records of what runs now; of another boot they mean nothing."""
        return self.run / "c"

    def pod(self, uid: str, namespace: str, name: str) -> PodPaths:
        return PodPaths(
            uid=uid,
            root=self.pods / uid,
            logs=self.log / "pods" / f"{namespace}_{name}_{uid}",
            lock=self.run / "locks" / uid,
            all_claims=self.claims,
        )
