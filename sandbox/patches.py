# SPDX-License-Identifier: Apache-2.0
"""The three kinds of patches."""
import copy

STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
TYPES = [JSON, MERGE, STRATEGIC, "application/apply-patch+yaml"]

# The lists that a strategic merge merges, and by which key; all others are replaced.
MERGE_KEYS = {"ownerReferences": "uid", "containers": "name", "initContainers": "name",
              "ephemeralContainers": "name", "env": "name", "volumes": "name", "volumeMounts": "mountPath",
              "imagePullSecrets": "name", "conditions": "type", "taints": "key", "ports": "containerPort",
              "secrets": "name", "podIPs": "ip", "addresses": "type"}


class PatchError(Exception):
    """A patch that cannot be applied. code: 400 or 422."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def merge(target, change):
    """RFC 7386."""
    if not isinstance(change, dict):
        return copy.deepcopy(change)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def strategic(target, change):
    if not isinstance(change, dict):
        return copy.deepcopy(change)
    if change.get("$patch") == "replace":
        return {key: copy.deepcopy(value) for key, value in change.items() if key != "$patch"}
    if change.get("$patch") == "delete":
        return {}
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in change.items():
        if key.startswith(("$setElementOrder/", "$retainKeys")):
            continue
        if key.startswith("$deleteFromPrimitiveList/"):
            name = key.partition("/")[2]
            result[name] = [item for item in result.get(name) or [] if item not in value]
        elif value is None:
            result.pop(key, None)
        elif key in MERGE_KEYS and isinstance(value, list):
            result[key] = strategic_list(result.get(key) or [], value, MERGE_KEYS[key])
        elif key == "finalizers" and isinstance(value, list):
            result[key] = (result.get(key) or []) + [item for item in value if item not in (result.get(key) or [])]
        else:
            result[key] = strategic(result.get(key), value)
    return result


def strategic_list(old, changes, merge_key):
    if any(isinstance(change, dict) and change.get("$patch") == "replace" for change in changes):
        return [copy.deepcopy(change) for change in changes if "$patch" not in change]
    result = list(old)
    for change in changes:
        if not isinstance(change, dict) or merge_key not in change:
            raise PatchError(400, f"map: {change} does not contain declared merge key: {merge_key}")
        at = next((i for i, item in enumerate(result) if item.get(merge_key) == change[merge_key]), None)
        if change.get("$patch") == "delete":
            result = [item for item in result if item.get(merge_key) != change[merge_key]]
        elif at is None:
            result.append(strategic({}, change))
        else:
            result[at] = strategic(result[at], change)
    return result


def parts_of(pointer):
    if not pointer.startswith("/"):
        raise PatchError(422, "the server rejected our request due to an error in our request")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def json_patch(target, operations):
    """RFC 6902."""
    if not isinstance(operations, list):
        raise PatchError(400, "json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    root = copy.deepcopy(target)
    for operation in operations:
        kind, path = operation.get("op"), parts_of(operation.get("path", ""))
        if kind in ("move", "copy"):
            source = parts_of(operation.get("from", ""))
            value = look(root, source)
            if kind == "move":
                change(root, source, "remove", None)
            change(root, path, "add", copy.deepcopy(value))
        elif kind == "test":
            if look(root, path) != operation.get("value"):
                raise PatchError(422, "the server rejected our request due to an error in our request")
        else:
            change(root, path, kind, copy.deepcopy(operation.get("value")))
    return root


def look(root, path):
    for part in path:
        try:
            root = root[int(part) if isinstance(root, list) else part]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise PatchError(422, "the server rejected our request due to an error in our request") from error
    return root


def change(root, path, kind, value):
    parent, last = look(root, path[:-1]), path[-1]
    try:
        if isinstance(parent, list):
            if kind == "add":
                parent.insert(len(parent) if last == "-" else int(last), value)
            elif kind == "remove":
                del parent[int(last)]
            elif kind == "replace":
                parent[int(last)] = value
            return
        if kind in ("remove", "replace") and last not in parent:
            raise KeyError(last)
        if kind == "remove":
            del parent[last]
        elif kind in ("add", "replace"):
            parent[last] = value
        else:
            raise PatchError(400, f"Unexpected kind: {kind}")
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise PatchError(422, "the server rejected our request due to an error in our request") from error


def apply(kind, target, change_):
    """The object that a patch makes of another, which stays as it is."""
    if kind == JSON:
        return json_patch(target, change_)
    if not isinstance(change_, dict):
        raise PatchError(400, "the patch is no object")
    return copy.deepcopy((merge if kind == MERGE else strategic)(target, change_))
