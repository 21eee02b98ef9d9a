"""Selectors of labels: whether they are well formed, and whether they hold."""

from __future__ import annotations

from collections.abc import Iterator

from podrun.api import names
from podrun.api.meta import LabelSelector, LabelSelectorRequirement
from podrun.api.problem import Problem
from podrun.api.validate import labels as check_labels
from podrun.api.validate_rules import check, forbidden, invalid, required


def well_formed(path: str, selector: LabelSelector) -> Iterator[Problem]:
    """The API server's rules for ``selector``, which stands at ``path``."""
    yield from check_labels(f"{path}.matchLabels", selector.match_labels)
    for index, each in enumerate(selector.match_expressions):
        yield from _requirement(f"{path}.matchExpressions[{index}]", each)


def _requirement(path: str, one: LabelSelectorRequirement) -> Iterator[Problem]:
    yield from check(f"{path}.key", one.key, names.qualified_name)
    if one.operator in ("In", "NotIn"):
        if not one.values:
            yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif one.operator in ("Exists", "DoesNotExist"):
        if one.values:
            yield forbidden(
                f"{path}.values",
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            )
    else:
        yield invalid(f"{path}.operator", one.operator, "not a valid selector operator")
    for index, value in enumerate(one.values):
        yield from check(f"{path}.values[{index}]", value, names.label_value)


def matches(selector: LabelSelector, labels: dict[str, str]) -> bool:
    """Whether all of ``selector`` holds for ``labels``."""
    return selector.match_labels.items() <= labels.items() and all(
        _holds(each, labels) for each in selector.match_expressions
    )


def _holds(one: LabelSelectorRequirement, labels: dict[str, str]) -> bool:
    value = labels.get(one.key)
    if one.operator == "In":
        return value in one.values
    if one.operator == "NotIn":
        return value not in one.values
    return (value is None) == (one.operator == "DoesNotExist")
