# SPDX-License-Identifier: Apache-2.0
"""LimitRange: what a namespace gives its containers where they say nothing, and between what they and their pods may be."""
from .failures import refused
from .units import quantity

SECTIONS = ("requests", "limits")


def of_container(container):
    return {section: (container.get("resources") or {}).get(section) or {} for section in SECTIONS}


def of_pod(spec):
    """The sums over the containers; a resource that one of them does not name is not limited in all."""
    parts = [of_container(container) for container in spec["containers"]]
    return {section: {name: str(sum(quantity(part[section].get(name, "0")) for part in parts))
                      for name in set().union(*(part[section] for part in parts))} for section in SECTIONS}


def too_little(kind, name, least, asked, allowed):
    if asked is None:
        return f"minimum {name} usage per {kind} is {least}.  No request is specified"
    for what, value in (("request", asked), ("limit", allowed)):
        if value is not None and quantity(value) < quantity(least):
            return f"minimum {name} usage per {kind} is {least}, but {what} is {value}"
    return None


def too_much(kind, name, most, asked, allowed):
    if allowed is None:
        return f"maximum {name} usage per {kind} is {most}.  No limit is specified"
    for what, value in (("limit", allowed), ("request", asked)):
        if value is not None and quantity(value) > quantity(most):
            return f"maximum {name} usage per {kind} is {most}, but {what} is {value}"
    return None


def too_far(kind, name, ratio, asked, allowed):
    for what, value in (("request", asked), ("limit", allowed)):
        if value is None or not quantity(value):
            return f"{name} max limit to request ratio per {kind} is {ratio}, but no {what} is specified or {what} is 0"
    provided = quantity(allowed) / quantity(asked)
    return (f"{name} max limit to request ratio per {kind} is {ratio}, but provided ratio is {provided:f}"
            if provided > quantity(ratio) else None)


def broken(item, resources):
    for key, judge in (("min", too_little), ("max", too_much), ("maxLimitRequestRatio", too_far)):
        for name, bound in sorted((item.get(key) or {}).items()):
            yield judge(item["type"], name, bound, *(resources[section].get(name) for section in SECTIONS))


def items(store, namespace, kind):
    return [item for found in store.list("limitranges", namespace) for item in found["spec"].get("limits") or [] if item["type"] == kind]


def fill(store, obj, namespace):
    """Defaults: of limits what is "default" or else "max", of requests "defaultRequest", else the same, else "min"."""
    for item in items(store, namespace, "Container"):
        limits = {**(item.get("max") or {}), **(item.get("default") or {})}
        requests = {**(item.get("min") or {}), **limits, **(item.get("defaultRequest") or {})}
        for container in obj["spec"].get("containers", []) + (obj["spec"].get("initContainers") or []):
            for section, defaults in (("requests", requests), ("limits", limits)):
                if defaults:
                    container["resources"][section] = {**defaults, **(container["resources"].get(section) or {})}


def check(store, namespace, obj):
    """Raises the Failure of a pod that a LimitRange refuses."""
    spec, found = obj["spec"], []
    for item in items(store, namespace, "Container"):
        for container in spec["containers"] + (spec.get("initContainers") or []):
            found += broken(item, of_container(container))
    for item in items(store, namespace, "Pod"):
        found += broken(item, of_pod(spec))
    found = [text for text in found if text]
    if found:
        name = obj["metadata"].get("name") or obj["metadata"].get("generateName", "") + "00000"
        raise refused("pods", name, found[0] if len(found) == 1 else f"[{', '.join(found)}]")
