# SPDX-License-Identifier: Apache-2.0
"""The Kubernetes API over TLS, as far as the client and kubectl use it."""
import asyncio
import copy
import json
import re
import secrets

from aiohttp import web

from . import exec_ws, podsecurity, rbac
from .store import KINDS, Watch, parse_fields, parse_selector

HEADERS = {"Cache-Control": "no-cache, private"}
DEFAULTS = {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "serviceAccountName": "default",
            "serviceAccount": "default", "securityContext": {}, "schedulerName": "default-scheduler",
            "terminationGracePeriodSeconds": 30, "priority": 0, "enableServiceLinks": True,
            "preemptionPolicy": "PreemptLowerPriority"}


BOOKMARKS = 1.25  # seconds of silence before one
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"


def answer(obj, code=200):
    return web.Response(body=json.dumps(obj, separators=(",", ":")).encode(), status=code,
                        headers=HEADERS, content_type="application/json")


class Failure(Exception):
    def __init__(self, code, reason, message, **details):
        super().__init__(message)
        self.code = code
        self.status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                       "message": message, "reason": reason}
        if details:
            self.status["details"] = details
        self.status["code"] = code


def not_found(resource, name):
    return Failure(404, "NotFound", f'{resource} "{name}" not found', name=name, kind=resource)


class Api:
    def __init__(self, sandbox):
        self.sandbox, self.store, self.users = sandbox, sandbox.store, sandbox.users
        self.app = web.Application(client_max_size=8 << 20)
        route = self.app.router.add_route
        route("*", "/sandbox/{what}", self.admin)
        route("GET", "/version", self.version)
        route("GET", "/api", self.api_versions)
        route("GET", "/apis", self.api_groups)
        route("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", self.access_review)
        for prefix in (r"/api/v1", r"/apis/{group:[^/]+}/v1"):
            route("GET", prefix, self.resources)
            route("*", prefix + "/namespaces/{namespace}/{resource}", self.collection)
            route("*", prefix + "/namespaces/{namespace}/{resource}/{name}", self.object)
            route("*", prefix + "/namespaces/{namespace}/{resource}/{name}/{sub}", self.object)
            route("*", prefix + "/{resource}", self.collection)
            route("*", prefix + "/{resource}/{name}", self.object)
        self.app.middlewares.append(self.guard)

    # ---- around every request ----

    @web.middleware
    async def guard(self, request, handler):
        self.sandbox.requests.append(f"{request.method} {request.path_qs}")
        fault = self.sandbox.faults.get("request_error")
        try:
            if fault and not request.path.startswith("/sandbox/") and re.search(fault["path"], request.path):
                if "body" in fault:
                    return web.Response(status=fault["code"], text=fault["body"])
                raise Failure(fault["code"], fault.get("reason", "InternalError"), fault.get("message", "fault"))
            user = self.users.identify(request)
            if not user:
                raise Failure(401, "Unauthorized", "Unauthorized")
            request["user"] = user
            if request.can_read_body and "json" not in request.content_type:
                raise Failure(415, "UnsupportedMediaType", f"the body of the request was in an unknown format - "
                              f"accepted media types include: application/json; got {request.content_type}")
            return await handler(request)
        except Failure as failure:
            response = answer(failure.status, failure.code)
            if failure.code == 403:
                response.headers["X-Content-Type-Options"] = "nosniff"
            return response
        except web.HTTPNotFound:
            return answer(Failure(404, "NotFound", "the server could not find the requested resource").status, 404)

    def allow(self, request, verb, resource, namespace, name=None):
        user = request["user"]
        if not user.may(verb, resource, namespace):
            group = request.match_info.get("group", "")
            details = {"name": name, "kind": resource.partition("/")[0]} if name else {"kind": resource}
            raise Failure(403, "Forbidden",
                          rbac.forbidden(user, verb, resource, group, namespace, name), **details)

    # ---- discovery ----

    async def version(self, _):
        return answer({"major": "1", "minor": "36", "emulationMajor": "1", "emulationMinor": "36",
                       "minCompatibilityMajor": "1", "minCompatibilityMinor": "35", "gitVersion": "v1.36.2", "gitCommit": "sandbox",
                       "gitTreeState": "clean", "buildDate": "2026-08-21T00:00:00Z", "goVersion": "go1.26.10",
                       "compiler": "gc", "platform": "linux/amd64"})

    async def api_versions(self, _):
        return answer({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})

    async def api_groups(self, _):
        groups = [{"name": name, "versions": [{"groupVersion": name + "/v1", "version": "v1"}],
                   "preferredVersion": {"groupVersion": name + "/v1", "version": "v1"}}
                  for name in ("apps", "batch", "authorization.k8s.io")]
        return answer({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})

    async def resources(self, request):
        group = request.match_info.get("group")
        version = group + "/v1" if group else "v1"
        verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
        found = [{"name": name, "singularName": kind.lower(), "namespaced": namespaced, "kind": kind,
                  "verbs": verbs, "shortNames": {"pods": ["po"], "namespaces": ["ns"], "nodes": ["no"],
                                                 "services": ["svc"], "configmaps": ["cm"],
                                                 "deployments": ["deploy"]}.get(name, [])}
                 for name, (kind, of, namespaced) in KINDS.items() if of == version]
        if not group:
            found += [{"name": "pods/" + sub, "singularName": "", "namespaced": True, "kind": kind, "verbs": verbs}
                      for sub, kind in (("exec", "PodExecOptions"), ("attach", "PodAttachOptions"), ("log", "Pod"),
                                        ("status", "Pod"), ("ephemeralcontainers", "Pod"))]
        return answer({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": found})

    async def access_review(self, request):
        review = await request.json()
        wish = review["spec"]["resourceAttributes"]
        resource = wish.get("resource", "")
        if wish.get("subresource"):
            resource += "/" + wish["subresource"]
        allowed = request["user"].may(wish.get("verb", ""), resource, wish.get("namespace"))
        review.setdefault("metadata", {})["managedFields"] = []
        review["status"] = {"allowed": allowed}
        return answer(review, 201)

    # ---- collections ----

    def resource_of(self, request):
        resource = request.match_info["resource"]
        if resource not in KINDS:
            raise web.HTTPNotFound()
        return resource, request.match_info.get("namespace", "")

    async def collection(self, request):
        resource, namespace = self.resource_of(request)
        if request.method == "POST":
            return await self.create(request, resource, namespace)
        if request.method != "GET":
            raise Failure(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
        watch = request.query.get("watch") in ("true", "1")
        self.allow(request, "watch" if watch else "list", resource, namespace)
        try:
            labels = parse_selector(request.query.get("labelSelector", ""))
        except ValueError as error:
            raise Failure(400, "BadRequest", str(error)) from error
        fields = parse_fields(request.query.get("fieldSelector", ""))
        if watch:
            return await self.watch(request, resource, namespace, labels, fields)
        return answer(self.list(request, resource, namespace, labels, fields))

    def list(self, request, resource, namespace, labels, fields):
        items = list(self.store.list(resource, namespace, labels, fields))
        start, limit = int(request.query.get("continue") or 0), int(request.query.get("limit") or 0)
        metadata = {"resourceVersion": str(self.store.version)}
        if limit and len(items) > start + limit:
            metadata.update({"continue": str(start + limit), "remainingItemCount": len(items) - start - limit})
        page = items[start:start + limit] if limit else items[start:]
        kind, api_version, _ = KINDS[resource]
        return {"kind": kind + "List", "apiVersion": api_version, "metadata": metadata,
                "items": [{k: v for k, v in item.items() if k not in ("kind", "apiVersion")} for item in page]}

    async def watch(self, request, resource, namespace, labels, fields):
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "application/json"})
        await response.prepare(request)

        async def send(event):
            await response.write(json.dumps(event, separators=(",", ":")).encode() + b"\n")

        version = request.query.get("resourceVersion", "")
        if version and 0 < int(version) < self.store.oldest:
            message = f"too old resource version: {version} ({self.store.oldest})"
            await send({"type": "ERROR", "object": Failure(410, "Expired", message).status})
            return response
        bookmarks = request.query.get("allowWatchBookmarks") in ("true", "1")
        watch = Watch(self.store, resource, namespace, labels, fields)
        try:
            if not version or version == "0":
                for item in self.store.list(resource, namespace, labels, fields):
                    await send({"type": "ADDED", "object": item})
                if bookmarks:
                    await send(self.bookmark(resource, initial=True))
            else:
                watch.catch_up(int(version))
            clock = asyncio.get_running_loop().time
            end = clock() + float(request.query.get("timeoutSeconds") or 1800)
            while clock() < end or not watch.queue.empty():
                try:
                    left = end - clock()
                    await send(await asyncio.wait_for(watch.queue.get(), max(min(left, BOOKMARKS), 0.01)))
                except asyncio.TimeoutError:
                    if bookmarks and clock() < end:
                        await send(self.bookmark(resource))
            return response
        except ConnectionError:
            return response
        finally:
            watch.close()

    def bookmark(self, resource, initial=False):
        kind, api_version, _ = KINDS[resource]
        metadata = {"resourceVersion": str(self.store.version)}
        if initial:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        obj = {"kind": kind, "apiVersion": api_version, "metadata": metadata}
        if resource == "pods":
            obj.update(spec={"containers": None}, status={})
        return {"type": "BOOKMARK", "object": obj}

    async def create(self, request, resource, namespace):
        self.allow(request, "create", resource, namespace)
        obj = await request.json()
        if KINDS[resource][2] and not self.store.get("namespaces", "", namespace):
            raise not_found("namespaces", namespace)
        if resource == "pods":
            self.complete_pod(obj, namespace)
            self.check_security(namespace, obj, obj["spec"])
        try:
            self.store.create(resource, namespace, obj)
        except KeyError as error:
            name = error.args[0]
            raise Failure(409, "AlreadyExists", f'{resource} "{name}" already exists', name=name,
                          kind=resource) from error
        created = copy.deepcopy(obj)
        if resource == "pods":
            self.sandbox.kubelet.add(obj)
        return answer(created, 201)

    def check_security(self, namespace, obj, spec):
        """Admission by the namespace's Pod Security level."""
        labels = self.store.get("namespaces", "", namespace)["metadata"].get("labels") or {}
        level = labels.get("pod-security.kubernetes.io/enforce", "privileged")
        broken = podsecurity.violations(level, spec)
        if broken:
            metadata = obj["metadata"]
            name = metadata.get("name") or metadata["generateName"] + "00000"
            raise Failure(403, "Forbidden", f'pods "{name}" is forbidden: violates PodSecurity "{level}:latest": {broken}',
                          name=name, kind="pods")

    def patch_ephemeral(self, change, obj):
        """Ephemeral containers are added, never changed or removed."""
        name, spec = obj["metadata"]["name"], obj["spec"]
        have = {c["name"]: c for c in spec.get("ephemeralContainers") or []}
        added = []
        for index, container in enumerate(change.get("spec", {}).get("ephemeralContainers") or []):
            if container["name"] in have:
                if any(have[container["name"]].get(key) != value for key, value in container.items()):
                    self.invalid(name, "spec.ephemeralContainers", "FieldValueForbidden", "Forbidden: existing ephemeral "
                                 f'containers "{container["name"]}" may not be changed\n')
                continue
            target = container.get("targetContainerName")
            if target and target not in [c["name"] for c in spec["containers"]]:
                self.invalid(name, f"spec.ephemeralContainers[{index}].targetContainerName", "FieldValueNotFound",
                             f'Not found: "{target}"')
            for key, value in (("resources", {}), ("terminationMessagePath", "/dev/termination-log"),
                               ("terminationMessagePolicy", "File"), ("imagePullPolicy", "IfNotPresent")):
                container.setdefault(key, value)
            added.append(container)
        self.check_security(obj["metadata"]["namespace"], obj, {"ephemeralContainers": added, "containers": []})
        spec["ephemeralContainers"] = (spec.get("ephemeralContainers") or []) + added
        if added:
            obj["metadata"]["generation"] += 1
        self.store.touch("pods", obj)
        answered = answer(obj)
        for container in added:
            self.sandbox.kubelet.of(obj).add_ephemeral(container)
        return answered

    @staticmethod
    def invalid(name, field, reason, message):
        raise Failure(422, "Invalid", f'Pod "{name}" is invalid: {field}: {message}', name=name, kind="Pod",
                      causes=[{"reason": reason, "message": message, "field": field}])

    def complete_pod(self, obj, namespace):
        """What admission fills in."""
        spec = obj.setdefault("spec", {})
        obj["metadata"]["generation"] = 1
        spec.setdefault("tolerations", [])
        for key in ("not-ready", "unreachable"):
            key = "node.kubernetes.io/" + key
            if not any(t.get("key") in (key, None) for t in spec["tolerations"]):
                spec["tolerations"].append({"key": key, "operator": "Exists", "effect": "NoExecute",
                                            "tolerationSeconds": 300})
        account = self.store.get("serviceaccounts", namespace, spec.get("serviceAccountName") or "default") or {}
        if spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True)):
            self.mount_token(spec)
        for key, value in DEFAULTS.items():
            spec.setdefault(key, copy.copy(value))
        for container in spec.get("containers", []) + spec.get("initContainers", []):
            container.setdefault("resources", {})
            container.setdefault("imagePullPolicy", "IfNotPresent")
            container.setdefault("terminationMessagePath", "/dev/termination-log")
            container.setdefault("terminationMessagePolicy", "File")
        obj["status"] = {"phase": "Pending", "qosClass": "BestEffort"}

    @staticmethod
    def mount_token(spec):
        """The service account's token in every container, as admission mounts it."""
        name = "kube-api-access-" + secrets.token_hex(3)[:5]
        spec["volumes"] = [*(spec.get("volumes") or []), {"name": name, "projected": {"sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1",
                                                                          "fieldPath": "metadata.namespace"}}]}},
        ], "defaultMode": 0o644}}]
        for container in spec.get("containers", []) + (spec.get("initContainers") or []):
            mounts = container.get("volumeMounts") or []
            if not any(mount["mountPath"] == TOKEN_PATH for mount in mounts):
                container["volumeMounts"] = [*mounts, {"name": name, "readOnly": True, "mountPath": TOKEN_PATH}]

    # ---- single objects ----

    async def object(self, request):
        resource, namespace = self.resource_of(request)
        name, sub = request.match_info["name"], request.match_info.get("sub")
        verb = {"GET": "get", "DELETE": "delete", "PATCH": "patch", "PUT": "update", "POST": "create"}[request.method]
        if resource == "namespaces":
            namespace = ""
        if sub in ("exec", "attach"):
            verb = self.sandbox.faults.get("exec_verb", "create")
        self.allow(request, verb, f"{resource}/{sub}" if sub else resource, namespace, name)
        obj = self.store.get(resource, namespace, name)
        if not obj:
            raise not_found(resource, name)
        if sub in ("exec", "attach"):
            return await self.exec(request, obj, sub)
        if sub == "log":
            return self.log(request, obj)
        if request.method == "GET":
            return answer(obj)
        if request.method == "DELETE":
            return await self.delete(request, resource, obj)
        if request.method == "PATCH" and sub == "ephemeralcontainers":
            return self.patch_ephemeral(await request.json(), obj)
        if request.method in ("PATCH", "PUT"):
            return await self.patch(request, resource, obj)
        raise Failure(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")

    async def delete(self, request, resource, obj):
        body = await request.json() if request.can_read_body else {}
        if resource == "pods":
            grace = body.get("gracePeriodSeconds", request.query.get("gracePeriodSeconds"))
            grace = int(obj["spec"]["terminationGracePeriodSeconds"] if grace is None else grace)
            obj["metadata"].update(deletionTimestamp=obj["metadata"]["creationTimestamp"],
                                   deletionGracePeriodSeconds=grace)
            obj["metadata"]["generation"] += 1
            self.store.touch("pods", obj)

            async def end():
                await self.sandbox.kubelet.remove(obj, grace)
                self.store.delete(resource, obj)
            self.sandbox.background(end())
        else:
            self.store.delete(resource, obj)
        return answer(obj)

    async def patch(self, request, resource, obj):
        def merge(target, change):
            for key, value in change.items():
                if value is None:
                    target.pop(key, None)
                elif isinstance(value, dict) and isinstance(target.get(key), dict):
                    merge(target[key], value)
                else:
                    target[key] = value
        merge(obj, await request.json())
        self.store.touch(resource, obj)
        return answer(obj)

    # ---- containers ----

    def container_of(self, request, obj):
        pod = self.sandbox.kubelet.of(obj)
        name = request.query.get("container") or obj["spec"]["containers"][0]["name"]
        container = pod.find(name) if pod else None
        if not container:
            raise Failure(400, "BadRequest", f"container {name} is not valid for pod {obj['metadata']['name']}")
        return container

    async def exec(self, request, obj, sub):
        container = self.container_of(request, obj)
        upgrade = request.headers.get("Upgrade", "").lower()
        if upgrade == "websocket" and self.sandbox.faults.get("no_websocket"):
            return web.Response(status=400, text="Upgrade request required\n")
        if upgrade not in ("websocket", "spdy/3.1"):
            raise Failure(400, "BadRequest", "Upgrade request required")
        if not container.running:
            raise Failure(500, "InternalError", "Internal error occurred: error executing command in container: "
                          "container is not running")
        handle = exec_ws.handle if upgrade == "websocket" else exec_ws.handle_spdy
        return await handle(self.sandbox, request, container, sub)

    def log(self, request, obj):
        with open(self.container_of(request, obj).log, "rb") as file:
            return web.Response(body=file.read(), content_type="text/plain")

    # ---- for tests ----

    async def admin(self, request):
        if not request["user"].may("*", "*", None):
            raise Failure(403, "Forbidden", "for the admin only")
        what = request.match_info["what"]
        if what == "pods":
            return answer([{
                "namespace": pod.object["metadata"]["namespace"], "name": pod.object["metadata"]["name"],
                "uid": pod.uid, "ip": pod.address, "netns": pod.netns,
                "sandbox": {"pid": pod.pause and pod.pause.pid, "id": pod.pause and pod.pause.id},
                "containers": {c.name: {"pid": c.pid, "id": c.id, "rootfs": c.bundle + "/rootfs"}
                               for c in pod.containers}} for pod in self.sandbox.kubelet.pods.values()])
        if what == "requests":
            return answer(self.sandbox.requests)
        if what == "faults" and request.method == "PUT":
            self.sandbox.faults = await request.json()
            if self.sandbox.faults.pop("drop_exec_connections", False):
                for transport in list(self.sandbox.exec_sockets):
                    transport.abort()
            return answer({})
        if what == "users" and request.method == "POST":
            wish = await request.json()
            self.users.add(wish["name"], wish["rules"], wish.get("token"), wish.get("password"))
            return answer({}, 201)
        raise web.HTTPNotFound()
