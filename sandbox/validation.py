# SPDX-License-Identifier: Apache-2.0
"""What a real API server refuses of an object, in its words, and the fields that it does not know."""
import base64
import re

from .failures import Failure, invalid
from .store import KINDS
from .units import quantity

MAX_CONFIG_MAP = 1 << 20

SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
SUBDOMAIN_TEXT = ("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
                  "must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation "
                  f"is '{SUBDOMAIN}')")
LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
LABEL_TEXT = ("a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
              f"end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{LABEL}')")
VALUE = r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
VALUE_TEXT = ("a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
              "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
              f"for validation is '{VALUE}')")
KEY_TEXT = ("a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
            "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')")


def wrong(field, value, message):
    return field, "FieldValueInvalid", f'Invalid value: "{value}": {message}'


def metadata_errors(resource, obj):
    metadata = obj["metadata"]
    name = metadata.get("name") or metadata.get("generateName")
    if not name:
        yield "metadata.name", "FieldValueRequired", "Required value: name or generateName is required"
    elif not resource.endswith(("roles", "bindings")):  # their names may be any path segment
        name = metadata.get("name") or name.rstrip("-")
        if len(name) > 253:
            yield wrong("metadata.name", name, "must be no more than 253 bytes")
        if not re.fullmatch(SUBDOMAIN, name):
            yield wrong("metadata.name", name, SUBDOMAIN_TEXT)
    for key, value in (metadata.get("labels") or {}).items():
        part = key.rpartition("/")[2]
        if not re.fullmatch(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]", part) or len(part) > 63:
            yield wrong("metadata.labels", key, "name part must consist of alphanumeric characters, '-', '_' or '.', and "
                        "must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', "
                        "regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')")
        if len(value) > 63:
            yield wrong("metadata.labels", value, "must be no more than 63 bytes")
        if not re.fullmatch(VALUE, value):
            yield wrong("metadata.labels", value, VALUE_TEXT)
    size = sum(len(key.encode()) + len(value.encode()) for key, value in (metadata.get("annotations") or {}).items())
    if size > 256 << 10:
        yield "metadata.annotations", "FieldValueTooLong", "Too long: may not be more than 262144 bytes"
    for index, owner in enumerate(metadata.get("ownerReferences") or []):
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                yield (f"metadata.ownerReferences[{index}].{field}", "FieldValueInvalid",
                       f'Invalid value: "": {"version" if field == "apiVersion" else field} must not be empty')


def pod_errors(spec):
    if not spec.get("containers"):
        yield "spec.containers", "FieldValueRequired", "Required value"
    names = set()
    mounted = {volume["name"] for volume in spec.get("volumes") or []}
    for key in ("containers", "initContainers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(key) or []):
            path = f"spec.{key}[{index}]"
            yield from container_errors(path, container, names, mounted)
    if spec.get("restartPolicy", "Always") not in ("Always", "OnFailure", "Never"):
        yield ("spec.restartPolicy", "FieldValueNotSupported",
               f'Unsupported value: "{spec["restartPolicy"]}": supported values: "Always", "Never", "OnFailure"')
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= 2147483647:
        yield ("spec.activeDeadlineSeconds", "FieldValueInvalid",
               f"Invalid value: {deadline}: must be between 1 and 2147483647, inclusive")


def container_errors(path, container, names, volumes):
    name = container.get("name")
    if not name:
        yield path + ".name", "FieldValueRequired", "Required value"
    elif not re.fullmatch(LABEL, name) or len(name) > 63:
        yield wrong(path + ".name", name, LABEL_TEXT)
    elif name in names:
        yield path + ".name", "FieldValueDuplicate", f'Duplicate value: "{name}"'
    names.add(name)
    if not container.get("image"):
        yield path + ".image", "FieldValueRequired", "Required value"
    for index, mount in enumerate(container.get("volumeMounts") or []):
        if mount["name"] not in volumes:
            yield f"{path}.volumeMounts[{index}].name", "FieldValueNotFound", f'Not found: "{mount["name"]}"'
    context = container.get("securityContext") or {}
    if context.get("allowPrivilegeEscalation") is False and context.get("privileged"):
        yield (path + ".securityContext", "FieldValueInvalid", "Invalid value: "
               "cannot set `allowPrivilegeEscalation` to false and `privileged` to true")
    added = (context.get("capabilities") or {}).get("add") or []
    if context.get("allowPrivilegeEscalation") is False and "CAP_SYS_ADMIN" in added:  # in this spelling alone
        yield (path + ".securityContext", "FieldValueInvalid", "Invalid value: "
               "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN")
    wanted, most = ((container.get("resources") or {}).get(key) or {} for key in ("requests", "limits"))
    for key in wanted:
        if key in most and quantity(wanted[key]) > quantity(most[key]):
            yield (path + ".resources.requests", "FieldValueInvalid", f'Invalid value: "{wanted[key]}": must be less than '
                   f"or equal to {key} limit of {most[key]}")


def config_map_errors(obj):
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    for field, values in (("data", data), ("binaryData", binary)):
        for key in values:
            if not re.fullmatch(r"[-._a-zA-Z0-9]+", key):
                yield wrong(f"{field}[{key}]", key, KEY_TEXT)
    size = sum(len(value.encode()) for value in data.values()) + sum(
        len(base64.b64decode(value)) for value in binary.values())
    if size > MAX_CONFIG_MAP:
        yield "[]", "FieldValueTooLong", f"Too long: may not be more than {MAX_CONFIG_MAP} bytes"


def role_errors(obj):
    for index, rule in enumerate(obj.get("rules") or []):
        if not rule.get("verbs"):
            yield f"rules[{index}].verbs", "FieldValueRequired", "Required value: verbs must contain at least one value"
        if not rule.get("nonResourceURLs"):
            for field, text in (("apiGroups", "resource rules must supply at least one api group"),
                                ("resources", "resource rules must supply at least one resource")):
                if not rule.get(field):
                    yield f"rules[{index}].{field}", "FieldValueRequired", "Required value: " + text


def binding_errors(obj):
    reference = obj.get("roleRef") or {}
    kinds = ["ClusterRole"] if obj["kind"] == "ClusterRoleBinding" else ["Role", "ClusterRole"]
    if reference.get("kind") not in kinds:
        listed = ", ".join(f'"{kind}"' for kind in sorted(kinds))
        yield ("roleRef.kind", "FieldValueNotSupported",
               f'Unsupported value: "{reference.get("kind", "")}": supported values: {listed}')
    if not reference.get("name"):
        yield "roleRef.name", "FieldValueRequired", "Required value"
    for index, subject in enumerate(obj.get("subjects") or []):
        if subject.get("kind") == "ServiceAccount" and not subject.get("namespace"):
            yield f"subjects[{index}].namespace", "FieldValueRequired", "Required value"


def decode(resource, obj):
    """What cannot even be read is a bad request."""
    kind, api_version, _ = KINDS[resource]
    if not isinstance(obj, dict):
        raise Failure(400, "BadRequest", "the object provided is unrecognized (must be of type "
                      f"{kind}): couldn't get version/kind; json parse error")
    given = obj.get("apiVersion", api_version), obj.get("kind", kind)
    if given != (api_version, kind):
        raise Failure(400, "BadRequest", f"{kind} in version \"{api_version.rpartition('/')[2]}\" cannot be handled as a "
                      f"{kind}: {given[0]}, Kind={given[1]} is not {api_version}, Kind={kind}")
    obj.setdefault("metadata", {})
    if resource == "pods":
        spec = obj.get("spec") or {}
        for container in [c for key in ("containers", "initContainers", "ephemeralContainers") for c in spec.get(key) or []]:
            check_quantities(container)
        for volume in spec.get("volumes") or []:
            check_quantity((volume.get("emptyDir") or {}).get("sizeLimit"))
    fields = {"configmaps": ["binaryData"], "secrets": ["data"]}.get(resource, [])
    for field in fields:
        for value in (obj.get(field) or {}).values():
            check_base64(kind, value)


def check_quantities(container):
    for section in ("requests", "limits"):
        for value in ((container.get("resources") or {}).get(section) or {}).values():
            check_quantity(value)


def check_quantity(value):
    try:
        if value is not None:
            quantity(value)
    except ValueError as error:
        raise Failure(400, "BadRequest", f'Pod in version "v1" cannot be handled as a Pod: {error}') from error


def check_base64(kind, value):
    text = value.replace("\n", "").replace("\r", "")
    match = re.fullmatch(r"([A-Za-z0-9+/]*)(=*)", text)
    if match and len(text) % 4 == 0 and len(match[2]) <= 2:
        return
    bad = re.search(r"[^A-Za-z0-9+/]", text)
    raise Failure(400, "BadRequest", f'{kind} in version "v1" cannot be handled as a {kind}: illegal base64 data at input '
                  f"byte {bad.start() if bad else len(text) // 4 * 4}")


def check(resource, obj):
    """Raises the Failure of an object that is not valid."""
    errors = list(metadata_errors(resource, obj))
    if resource == "pods":
        errors += pod_errors(obj["spec"])
    elif resource == "configmaps":
        errors += config_map_errors(obj)
    elif resource in ("roles", "clusterroles"):
        errors += role_errors(obj)
    elif resource in ("rolebindings", "clusterrolebindings"):
        errors += binding_errors(obj)
    if errors:
        raise invalid(resource, obj["metadata"].get("name", ""), *errors)


POD_MUTABLE = ("`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
               "`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow "
               "it to be set to 1 if it was previously negative)")


def frozen(spec):
    """What of a pod's spec never changes."""
    rest = {key: value for key, value in spec.items() if key not in ("activeDeadlineSeconds", "tolerations", "nodeName")}
    for key in ("containers", "initContainers"):
        rest[key] = [{**container, "image": None} for container in spec.get(key) or []]
    return rest


def check_update(resource, old, new):
    name = old["metadata"]["name"]
    if resource == "pods":
        added = [t for t in new["spec"].get("tolerations") or [] if t not in (old["spec"].get("tolerations") or [])]
        kept = len(new["spec"].get("tolerations") or []) - len(added) >= len(old["spec"].get("tolerations") or [])
        if (frozen(old["spec"]) != frozen(new["spec"]) or not kept or
                old["spec"].get("nodeName") != new["spec"].get("nodeName")):
            raise invalid(resource, name, ("spec", "FieldValueForbidden", "Forbidden: pod updates may not change fields "
                                           f"other than {POD_MUTABLE}\n"))
        before, after = (obj["spec"].get("activeDeadlineSeconds") for obj in (old, new))
        if before is not None and (after is None or after > before):
            text = "must be less than or equal to previous value" if after else "must not update from a positive integer to nil value"
            raise invalid(resource, name, ("spec.activeDeadlineSeconds", "FieldValueInvalid",
                                           f"Invalid value: {after or 'null'}: {text}"))
    if resource in ("configmaps", "secrets") and old.get("immutable"):
        text = "Forbidden: field is immutable when `immutable` is set"
        causes = [(field, "FieldValueForbidden", text) for field in ("immutable", "data", "binaryData")
                  if (old.get(field) or {}) != (new.get(field) or {})]
        if causes:
            raise invalid(resource, name, *causes)
    if resource.endswith("bindings") and old["roleRef"] != new.get("roleRef"):
        raise invalid(resource, name, ("roleRef", "FieldValueInvalid", "Invalid value: cannot change roleRef"))


# ---- fields that are unknown ----

METADATA = set("name generateName namespace selfLink uid resourceVersion generation creationTimestamp deletionTimestamp "
               "deletionGracePeriodSeconds labels annotations ownerReferences finalizers managedFields".split())
POD_SPEC = set("volumes initContainers containers ephemeralContainers restartPolicy terminationGracePeriodSeconds "
               "activeDeadlineSeconds dnsPolicy nodeSelector serviceAccountName serviceAccount automountServiceAccountToken "
               "nodeName hostNetwork hostPID hostIPC shareProcessNamespace securityContext imagePullSecrets hostname "
               "subdomain affinity schedulerName tolerations hostAliases priorityClassName priority dnsConfig "
               "readinessGates runtimeClassName enableServiceLinks preemptionPolicy overhead topologySpreadConstraints "
               "setHostnameAsFQDN os hostUsers schedulingGates resourceClaims resources hostnameOverride".split())
CONTAINER = set("name image command args workingDir ports envFrom env resources resizePolicy restartPolicy "
                "restartPolicyRules volumeMounts volumeDevices livenessProbe readinessProbe startupProbe lifecycle "
                "terminationMessagePath terminationMessagePolicy imagePullPolicy securityContext stdin stdinOnce tty "
                "targetContainerName noexecTmpfs".split())  # the last is the sandbox's own
SECURITY = set("capabilities privileged seLinuxOptions windowsOptions runAsUser runAsGroup runAsNonRoot "
               "readOnlyRootFilesystem allowPrivilegeEscalation procMount seccompProfile appArmorProfile".split())
POD_SECURITY = (SECURITY - {"capabilities", "privileged", "readOnlyRootFilesystem", "allowPrivilegeEscalation",
                            "procMount"}) | set("supplementalGroups supplementalGroupsPolicy fsGroup sysctls "
                                                "fsGroupChangePolicy seLinuxChangePolicy".split())
TOP = {"pods": {"spec", "status"}, "configmaps": {"data", "binaryData", "immutable"},
       "secrets": {"data", "stringData", "immutable", "type"}, "roles": {"rules"}, "clusterroles": {"rules", "aggregationRule"},
       "rolebindings": {"subjects", "roleRef"}, "clusterrolebindings": {"subjects", "roleRef"},
       "serviceaccounts": {"secrets", "imagePullSecrets", "automountServiceAccountToken"},
       "endpoints": {"subsets"}, "endpointslices": {"addressType", "endpoints", "ports"}}
TYPED = {"restartPolicy": str, "activeDeadlineSeconds": int, "terminationGracePeriodSeconds": int, "hostPID": bool,
         "hostNetwork": bool, "nodeName": str, "image": str, "privileged": bool, "runAsUser": int}


def strip(obj, known, path, found, kind):
    """Takes out what is not known, and complains of what has the wrong type."""
    if not isinstance(obj, dict):
        return
    for key in list(obj):
        if key not in known:
            found.append(path + key)
            del obj[key]
        elif key in TYPED and obj[key] is not None and not isinstance(obj[key], TYPED[key]):
            types = {str: "string", int: "number", bool: "bool", dict: "object", list: "array", float: "number"}
            goal = {str: "string", int: "int64", bool: "bool"}[TYPED[key]]
            raise Failure(400, "BadRequest", f'{kind} in version "v1" cannot be handled as a {kind}: json: cannot unmarshal '
                          f"{types.get(type(obj[key]), 'null')} into Go struct field .{path}{key} of type {goal}")


def unknown_fields(resource, obj):
    """Takes the fields that a server does not know out of an object. Returns their paths."""
    found, kind = [], KINDS[resource][0]
    if resource in TOP:
        strip(obj, {"apiVersion", "kind", "metadata"} | TOP[resource], "", found, kind)
    strip(obj.get("metadata"), METADATA, "metadata.", found, kind)
    if resource == "pods":
        spec = obj.get("spec") or {}
        strip(spec, POD_SPEC, "spec.", found, kind)
        strip(spec.get("securityContext"), POD_SECURITY, "spec.securityContext.", found, kind)
        for key in ("containers", "initContainers", "ephemeralContainers"):
            for index, container in enumerate(spec.get(key) or []):
                path = f"spec.{key}[{index}]."
                strip(container, CONTAINER, path, found, kind)
                strip(container.get("securityContext"), SECURITY, path + "securityContext.", found, kind)
    return found
