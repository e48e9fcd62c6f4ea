# SPDX-License-Identifier: Apache-2.0
"""Kubernetes' protobuf, read only: newer kubectls send it for the kinds that they know."""
import base64

MAGIC = b"k8s\0"
TYPE = "application/vnd.kubernetes.protobuf"

# Field number: (name, what it is). A list is repeated, a dict a message, "map" one of strings.
META = {1: ("name", str), 2: ("generateName", str), 3: ("namespace", str), 11: ("labels", "map"), 12: ("annotations", "map")}
RULE = {1: ("verbs", [str]), 2: ("apiGroups", [str]), 3: ("resources", [str]), 4: ("resourceNames", [str]),
        5: ("nonResourceURLs", [str])}
SUBJECT = {1: ("kind", str), 2: ("apiGroup", str), 3: ("name", str), 4: ("namespace", str)}
BINDING = {1: ("metadata", META), 2: ("subjects", [SUBJECT]),
           3: ("roleRef", {1: ("apiGroup", str), 2: ("kind", str), 3: ("name", str)})}
ROLE = {1: ("metadata", META), 2: ("rules", [RULE])}
ATTRIBUTES = {number: (name, str) for number, name in enumerate(
    ("namespace", "verb", "group", "version", "resource", "subresource", "name"), 1)}
KINDS = {
    "SelfSubjectAccessReview": {1: ("metadata", META), 2: ("spec", {
        1: ("resourceAttributes", ATTRIBUTES), 2: ("nonResourceAttributes", {1: ("path", str), 2: ("verb", str)})})},
    "SelfSubjectRulesReview": {1: ("metadata", META), 2: ("spec", {1: ("namespace", str)})},
    "TokenRequest": {1: ("metadata", META), 2: ("spec", {1: ("audiences", [str]), 4: ("expirationSeconds", int)})},
    "Role": ROLE, "ClusterRole": ROLE, "RoleBinding": BINDING, "ClusterRoleBinding": BINDING,
    "Namespace": {1: ("metadata", META)}, "ServiceAccount": {1: ("metadata", META)},
    "ConfigMap": {1: ("metadata", META), 2: ("data", "map"), 3: ("binaryData", "bytes map"), 4: ("immutable", bool)},
    "Secret": {1: ("metadata", META), 2: ("data", "bytes map"), 3: ("type", str), 4: ("stringData", "map"),
               5: ("immutable", bool)},
    "ResourceQuota": {1: ("metadata", META), 2: ("spec", {1: ("hard", "quantity map")})},
}


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data):
    """(number, value) of a message's fields; the value is an integer or bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
            if len(value) != size:
                raise ValueError("cut off")
        else:
            raise ValueError("a field of a kind that is not known")
        yield key >> 3, value


def value_of(kind, value):
    if isinstance(kind, dict):
        return message(kind, value)
    return value.decode() if kind is str else kind(value)


def map_entry(kind, data):
    entry = {1: b"", 2: b"", **dict(fields(data))}
    key, value = entry[1].decode(), entry[2]
    if kind == "bytes map":
        return key, base64.b64encode(value).decode()
    if kind == "quantity map":
        value = dict(fields(value)).get(1, b"")
    return key, value.decode()


def message(schema, data):
    result = {}
    for number, value in fields(data):
        name, kind = schema.get(number, (None, None))
        if isinstance(kind, list):
            result.setdefault(name, []).append(value_of(kind[0], value))
        elif isinstance(kind, str):
            key, text = map_entry(kind, value)
            result.setdefault(name, {})[key] = text
        elif name and value not in (b"", 0):
            result[name] = value_of(kind, value)
        elif isinstance(kind, dict):
            result.setdefault(name, {})
    return result


def decode(data):
    """The object that a body is; ValueError when it is none of the known kinds."""
    if not data.startswith(MAGIC):
        raise ValueError("no magic number")
    try:
        parts = dict(fields(data[len(MAGIC):]))
        names = {number: value.decode() for number, value in fields(parts[1])}
        obj = message(KINDS[names[2]], parts.get(2, b""))
    except (KeyError, IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"not understood: {error}") from error
    return {"apiVersion": names[1], "kind": names[2], **obj}
