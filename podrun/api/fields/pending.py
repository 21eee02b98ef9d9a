"""Fields that have types, defaults and rules already, but that nothing carries out yet.

A row of the table that is named here is refused as "no" is. To accept a field, delete its line
and write the page anew: ``python -m podrun.api.fields > docs/fields.md``.
"""

from __future__ import annotations

PENDING: frozenset[str] = frozenset(
    (
        "Container.lifecycle",
        "Container.livenessProbe",
        "Container.readinessProbe",
        "Container.startupProbe",
        # Any restartPolicy of a container but a sidecar's waits for this line too.
        "Container.restartPolicyRules",
        "Container.stdin",
        "Container.stdinOnce",
        "Container.terminationMessagePath",
        "Container.terminationMessagePolicy",
        "Container.tty",
        "PodSpec.hostnameOverride",
        "PodSpec.readinessGates",
        "PodSpec.setHostnameAsFQDN",
        "PodSpec.subdomain",
    )
)
