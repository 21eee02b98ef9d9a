"""What is known of a pod: the only input of policy besides the pod's own spec and the time.

Facts are observations with times; phase, conditions, reasons and what to do next are computed from
them (``status``, ``plan``) and never stored. Times are seconds since the epoch (float, UTC).

    one container                                     one pod
    ─────────────                                     ───────
    no run ──created──► run ──started──► running      accepted ─► sandbox ready ─► containers …
                         │                  │         deletion (asked) ─► all exited ─► released
                         └──── exit ◄───────┘         verdict (Failed by policy: deadline, …)
    a next run moves ``current`` to ``last`` and raises ``restarts``; its image is there first:
    pull begun ─► done, or trouble

    one run that is running
    ───────────────────────
    started_at ─► post_start ─► startup_at ─► ready, ready_changed_at …
    unhealthy, restart_requested_at, … ─► pre_stop ─► stop_sent_at ─► kill_sent_at ─► exit
"""

from __future__ import annotations

import msgspec

from podrun.api.container import ResourceRequirements


class Exit(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a run ended. ``code`` is 128+n for signal n; ``reason`` overrides the derived one."""

    code: int
    finished_at: float
    signal: int = 0
    oom_killed: bool = False
    reason: str = ""  # "", "StartError" (128, never ran) or "ContainerStatusUnknown" (137)
    message: str = ""


class Hook(msgspec.Struct, frozen=True, omit_defaults=True):
    """One lifecycle hook of one run; ``error`` is empty when it went well."""

    began_at: float
    done_at: float | None = None
    error: str = ""


class Unhealthy(msgspec.Struct, frozen=True, omit_defaults=True):
    """A liveness or startup probe reached its failure threshold: the run must be ended."""

    probe: str  # "liveness" or "startup"
    message: str
    at: float


class Trouble(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why something cannot be done at present: a Waiting reason, and when it was last tried."""

    reason: str  # "CreateContainerConfigError", "ErrImageNeverPull", "CreatePodSandboxError", …
    message: str
    at: float
    count: int = 1
    retry_at: float | None = None  # of a failed pull: when it is tried again


class Pull(msgspec.Struct, frozen=True, omit_defaults=True):
    """Getting the image for one run of one container (``podrun.pod.pulling``).

    It is there once ``done_at`` is set: ``fetched`` from a registry, in ``seconds`` without the
    wait for a turn, or was on the machine. Of the image: its ``name`` and ``image_id`` in
    the local store, the ``reference`` by which any registry has the very same ("" when it came
    from none), and its ``size`` in bytes.
    """

    attempt: int
    image: str  # as the spec names it
    began_at: float
    done_at: float | None = None
    fetched: bool = False
    seconds: float = 0.0
    name: str = ""
    image_id: str = ""
    reference: str = ""
    size: int = 0


class Run(msgspec.Struct, omit_defaults=True):
    """One try at running a container; ``attempt`` numbers its log and directory from 0."""

    id: str
    attempt: int
    image: str  # its name in the local store
    image_id: str
    spec_hash: str
    sandbox_attempt: int
    created_at: float
    started_at: float | None = None
    exit: Exit | None = None
    stop_sent_at: float | None = None  # the graceful signal was sent
    kill_sent_at: float | None = None
    stop_reason: str = ""  # why we end it, for the event: "Deleted", "SpecChanged", …
    log_dropped_lines: int = 0
    post_start: Hook | None = None
    pre_stop: Hook | None = None
    startup_at: float | None = None  # when the startup probe succeeded
    ready: bool | None = None  # the readiness probe's word; None: it has not spoken
    ready_changed_at: float | None = None
    unhealthy: Unhealthy | None = None
    round: int = 0  # ``Facts.round.number`` when it was created; an older one must run anew
    restart_requested_at: float | None = None  # somebody, or a new round, wants it restarted
    resources_hash: str = ""  # ``resources.resources_hash`` of what its cgroup has; "": not known
    resources: ResourceRequirements | None = None  # what it has; None: not known
    resize_trouble: Trouble | None = None  # of the newest try to give it others
    resize_since: float | None = None  # when that trouble's reason came up
    resize_restart_at: float | None = None  # it must be restarted to have others
    cgroup: str = ""  # where the kernel counts what it did to the run
    image_reference: str = ""  # repository@sha256:…, when it came from a registry
    note: str = ""  # what the user should know of how it was made, e.g. no overlayfs


class ContainerFacts(msgspec.Struct, omit_defaults=True):
    current: Run | None = None
    last: Run | None = None  # the run before, always with an exit
    restarts: int = 0  # never falls; the attempt of the newest run
    backoff_seconds: int = 0  # to wait after ``current`` ends; set by ``podrun.pod.backoff``
    trouble: Trouble | None = None  # of the newest try to create a run; None once one succeeded
    unready_at: float | None = None  # when it last ceased to be ready
    pull: Pull | None = None  # of the image for the next run, or the newest


class Sandbox(msgspec.Struct, omit_defaults=True):
    """The pod's pause process and network; ``ready`` is False once pause is gone."""

    attempt: int
    created_at: float
    ready: bool = True
    ips: tuple[str, ...] = ()
    lost_at: float | None = None
    stopped_at: float | None = None  # torn down: its network was given back (StopSandbox done)


class Deletion(msgspec.Struct, frozen=True, omit_defaults=True):
    """``at`` is when the pod was asked to go; ``grace_seconds`` 0 kills at once.

    ``began_at`` is when the grace began to run: the full grace again after a restart of the agent.
    """

    at: float
    grace_seconds: int
    began_at: float


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """Policy ended the pod: phase Failed with this reason (DeadlineExceeded, Evicted, …)."""

    reason: str
    message: str
    at: float


class Round(msgspec.Struct, frozen=True, omit_defaults=True):
    """All containers start anew, init containers too, in the same sandbox; ``number`` counts it.

    ``why`` is RestartingAllContainers (a rule of restartPolicyRules) or RestartRequested.
    """

    number: int = 0
    began_at: float = 0.0
    why: str = ""


class Gate(msgspec.Struct, frozen=True, omit_defaults=True):
    """What somebody said of a condition that ``spec.readinessGates`` names."""

    holds: bool
    changed_at: float


class Facts(msgspec.Struct, omit_defaults=True):
    accepted_at: float
    generation: int = 1
    replaces: str = ""  # uid of the pod that must be gone before this one starts
    unfit: Trouble | None = None  # the node has no room for it: nothing of it starts (``fitting``)
    sandbox: Sandbox | None = None
    sandbox_trouble: Trouble | None = None
    containers: dict[str, ContainerFacts] = {}  # init and app containers by name
    deletion: Deletion | None = None
    verdict: Verdict | None = None
    round: Round = Round()
    gates: dict[str, Gate] = {}  # by condition type

    def of(self, name: str) -> ContainerFacts:
        """The facts of container ``name``, empty ones when nothing happened yet."""
        return self.containers.get(name) or ContainerFacts()
