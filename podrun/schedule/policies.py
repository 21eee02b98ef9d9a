"""The four of them, in the order in which the story tells them."""

from __future__ import annotations

from podrun.schedule.by_affinity import ByAffinity
from podrun.schedule.by_pod import ByPod
from podrun.schedule.hoarding import Hoarding
from podrun.schedule.optimistic import Optimistic
from podrun.schedule.policy import Policy

POLICIES: dict[str, Policy] = {
    policy.name: policy for policy in (ByPod(), ByAffinity(), Hoarding(), Optimistic())
}
