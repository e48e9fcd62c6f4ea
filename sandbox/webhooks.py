# SPDX-License-Identifier: Apache-2.0
"""What admission plugins and webhooks of others change in a new pod, where a test asks for it (faults):

always_pull    the plugin AlwaysPullImages
injector       {"name", "image", "command", "opt_out": {"labels": {...}, "annotations": {...}}}: an init container is
               added, but not to a pod that has one of these labels or annotations
node_selector  labels that a node must have: the plugin PodNodeSelector, by which pods of a namespace are kept on some
deadline       seconds: a plugin such as OpenShift's RunOnceDuration, which limits pods that run once
"""


def opts_out(metadata, opt_out):
    return any((metadata.get(part) or {}).get(key) == value
               for part, wishes in opt_out.items() for key, value in wishes.items())


def inject(obj, injector):
    if not opts_out(obj["metadata"], injector.get("opt_out") or {}):
        container = {key: injector[key] for key in ("name", "image", "command")}
        obj["spec"]["initContainers"] = [*(obj["spec"].get("initContainers") or []), container]


def mutate(faults, obj):
    spec = obj.get("spec") or {}
    if not spec.get("containers"):
        return
    if faults.get("injector"):
        inject(obj, faults["injector"])
    if faults.get("node_selector"):
        spec["nodeSelector"] = {**(spec.get("nodeSelector") or {}), **faults["node_selector"]}
    if faults.get("always_pull"):
        for container in spec["containers"] + (spec.get("initContainers") or []):
            container["imagePullPolicy"] = "Always"
    if faults.get("deadline") and spec.get("restartPolicy") == "Never":
        spec["activeDeadlineSeconds"] = min(faults["deadline"], spec.get("activeDeadlineSeconds") or faults["deadline"])
