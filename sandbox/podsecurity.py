# SPDX-License-Identifier: Apache-2.0
"""Pod Security levels, worded as the real admission does.

Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/ and the recordings.
"""
BASELINE_CAPABILITIES = {"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD",
                         "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"}


def all_containers(spec):
    return [c for key in ("initContainers", "containers", "ephemeralContainers") for c in spec.get(key) or []]


def of(container):
    return container.get("securityContext") or {}


def named(found):
    """`container "a"`, `containers "a", "b"`"""
    names = ", ".join(f'"{c["name"]}"' for c in found)
    return f"container{'s' if len(found) > 1 else ''} {names}"


def adding(spec, allowed):
    """The containers that add other capabilities than these, and all of those."""
    added = [(c, {name for name in (of(c).get("capabilities") or {}).get("add") or [] if name not in allowed})
             for c in all_containers(spec)]
    names = sorted(set().union(*(found for _, found in added)))
    return [c for c, found in added if found], ", ".join(f'"{name}"' for name in names)


def baseline(spec):
    host = [f"{key}=true" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    if host:
        yield f"host namespaces ({', '.join(host)})"
    found = [c for c in all_containers(spec) if of(c).get("privileged")]
    if found:
        yield f"privileged ({named(found)} must not set securityContext.privileged=true)"
    found, names = adding(spec, BASELINE_CAPABILITIES)
    if found:
        yield (f"non-default capabilities ({named(found)} must not include {names} in "
               "securityContext.capabilities.add)")
    volumes = [v["name"] for v in spec.get("volumes") or [] if "hostPath" in v]
    if volumes:
        names = ", ".join(f'"{name}"' for name in volumes)
        yield f"hostPath volumes (volume{'s' if len(volumes) > 1 else ''} {names})"


def restricted(spec):
    # The level's own check of capabilities stands for the baseline's.
    yield from (text for text in baseline(spec) if not text.startswith("non-default capabilities"))
    pod = spec.get("securityContext") or {}
    containers = all_containers(spec)
    found = [c for c in containers if of(c).get("allowPrivilegeEscalation") is not False]
    if found:
        yield f"allowPrivilegeEscalation != false ({named(found)} must set securityContext.allowPrivilegeEscalation=false)"
    found = [c for c in containers if "ALL" not in ((of(c).get("capabilities") or {}).get("drop") or [])]
    texts = [f'{named(found)} must set securityContext.capabilities.drop=["ALL"]'] if found else []
    found, names = adding(spec, {"NET_BIND_SERVICE"})
    if found:
        texts.append(f"{named(found)} must not include {names} in securityContext.capabilities.add")
    if texts:
        yield f"unrestricted capabilities ({'; '.join(texts)})"
    found = [c for c in containers if not of(c).get("runAsNonRoot", pod.get("runAsNonRoot"))]
    if found:
        yield f"runAsNonRoot != true (pod or {named(found)} must set securityContext.runAsNonRoot=true)"
    found = [c for c in containers if not of(c).get("seccompProfile", pod.get("seccompProfile"))]
    if found:
        yield (f"seccompProfile (pod or {named(found)} must set securityContext.seccompProfile.type to "
               '"RuntimeDefault" or "Localhost")')


def violations(level, spec):
    """What of a pod's spec a level forbids, as one text; empty when it is allowed."""
    check = {"baseline": baseline, "restricted": restricted}.get(level)
    return ", ".join(check(spec)) if check else ""
