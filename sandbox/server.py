# SPDX-License-Identifier: Apache-2.0
"""The Kubernetes API over TLS, as far as the client and kubectl use it."""
import asyncio
import copy
import json
import os
import re
import uuid

import yaml
from aiohttp import web

from . import admission, discovery, exec_ws, negotiation, patches, protobuf, rbac, strangers, validation, webhooks
from .failures import (Failure, answer, conflict, described, group_of, invalid, not_allowed, not_found,
                       qualified)
from .garbage import Options
from .lists import Lists
from .rbac import Wish
from .store import KINDS, only_name, parse_fields, parse_selector
from .units import FORMAT, now

MAX_BODY = 3 << 20
FORMATS = ["application/json", "application/yaml", protobuf.TYPE]
KEEP_COUNT = ("pods", *admission.WORKLOADS)  # of the changes of their spec: metadata.generation
REVIEWS = "/apis/authorization.k8s.io/v1/"
CHANGES = ["POST", "PUT", "PATCH", "DELETE"]
# What a WebSocket's GET of pods/exec is checked for, by the fault exec_verb.
EXEC_VERBS = {"create": ["create"],
              "get": ["get"],             # servers before 1.35
              "both": ["get", "create"]}  # the default here, 1.35 and later: first the request's own verb


def unknown_format(accepted):
    return Failure(415, "UnsupportedMediaType", "the body of the request was in an unknown format - accepted media types "
                   "include: " + ", ".join(accepted))


def warned(fields):
    """The headers that tell of unknown fields."""
    return [("Warning", f'299 - "unknown field \\"{field}\\""') for field in fields]


class Api:
    def __init__(self, sandbox):
        self.sandbox, self.store, self.users = sandbox, sandbox.store, sandbox.users
        self.authorizer = rbac.Authorizer(self.store)
        self.lists = Lists(self.store, lambda: self.sandbox.faults)
        self.app = web.Application(client_max_size=MAX_BODY)
        route = self.app.router.add_route
        route("*", "/sandbox/{what}", self.admin)
        discovery.add_routes(route)
        for name, handler in (("selfsubjectaccessreviews", self.access_review), ("subjectaccessreviews", self.access_review),
                              ("selfsubjectrulesreviews", self.rules_review)):
            route("POST", REVIEWS + name, handler)
        route("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", self.who_am_i)
        for prefix in (r"/api/v1", r"/apis/{group:[^/]+}/v1"):
            route("*", prefix + "/namespaces/{namespace}/{resource}", self.collection)
            route("*", prefix + "/namespaces/{namespace}/{resource}/{name}", self.object)
            route("*", prefix + "/namespaces/{namespace}/{resource}/{name}/{sub}", self.object)
            route("*", prefix + "/{resource:nodes}/{name}/{sub}", self.object)
            route("*", prefix + "/{resource}", self.collection)
            route("*", prefix + "/{resource}/{name}", self.object)
        self.app.middlewares.append(self.guard)

    # ---- around every request ----

    @web.middleware
    async def guard(self, request, handler):
        self.sandbox.requests.append(f"{request.method} {request.path_qs}")
        fault = self.sandbox.faults.get("request_error")
        slow = self.sandbox.faults.get("request_delay")
        try:
            if fault and "token" in fault and request.headers.get("Authorization") != "Bearer " + fault["token"]:
                fault = None
            if fault and not request.path.startswith("/sandbox/") and re.search(fault["path"], request.path):
                if "body" in fault:
                    return web.Response(status=fault["code"], text=fault["body"])
                failure = Failure(fault["code"], fault.get("reason", "InternalError"), fault.get("message", "fault"))
                failure.headers = {"Retry-After": fault["retry_after"]} if "retry_after" in fault else {}
                raise failure
            user = self.users.identify(request)
            if not user:
                raise Failure(401, "Unauthorized", "Unauthorized")
            request["user"] = user
            # It is done then also when the client has gone meanwhile.
            wait = slow and request.method in slow.get("methods", CHANGES) and re.search(slow["path"], request.path)
            if wait and not slow.get("after"):
                await asyncio.sleep(slow["seconds"])
            response = negotiation.cut(request, await handler(request))
            if wait and slow.get("after"):
                await asyncio.sleep(slow["seconds"])
            return response
        except Failure as failure:
            return answer(failure.status, failure.code, failure.headers)
        except web.HTTPNotFound:
            return answer(Failure(404, "NotFound", "the server could not find the requested resource").status, 404)
        except web.HTTPRequestEntityTooLarge:
            message = f"Request entity too large: limit is {MAX_BODY}"
            return answer(Failure(413, "RequestEntityTooLarge", message).status, 413)
        except ConnectionError:
            raise
        except Exception as error:  # pylint: disable=broad-except
            self.sandbox.fail(error)
            return answer(Failure(500, "InternalError", f"Internal error occurred: {error!r}").status, 500)

    def allow(self, request, verb, resource, namespace, name=None):
        group = request.match_info.get("group", "")
        self.allow_wish(request["user"], Wish(verb, group, resource, namespace, name))

    def allow_wish(self, user, wish):
        allowed, reason = self.authorizer.check(user, wish)
        if not allowed:
            failure = Failure(403, "Forbidden", rbac.forbidden(user, wish, reason),
                              **described(wish.name, wish.resource.partition("/")[0], wish.group))
            failure.headers = {"X-Content-Type-Options": "nosniff"}
            raise failure

    async def body(self, request, resource=None):
        """The object in the body of a request."""
        if request.content_type not in FORMATS:
            raise unknown_format(FORMATS)
        if request.content_type == protobuf.TYPE:
            try:
                return protobuf.decode(await request.read())
            except ValueError as error:  # a kind that is not known here: kubectl goes on in JSON
                raise unknown_format(FORMATS[:2]) from error
        text = await request.text()
        try:
            return json.loads(text) if request.content_type == FORMATS[0] else yaml.safe_load(text)
        except (ValueError, yaml.YAMLError) as error:
            kind = KINDS[resource][0] if resource else "object"
            raise Failure(400, "BadRequest", f"the object provided is unrecognized (must be of type {kind}): couldn't get "
                          f"version/kind; json parse error: {error}") from error

    # ---- reviews ----

    async def who_am_i(self, request):
        """Every user may ask for this."""
        user = request["user"]
        return answer({"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1",
                       "metadata": {"creationTimestamp": now()},
                       "status": {"userInfo": {"username": user.name, "groups": sorted(user.groups)}}}, 201)

    async def access_review(self, request):
        review = await self.body(request)
        spec, user = review["spec"], request["user"]
        if not request.path.endswith("/selfsubjectaccessreviews"):
            self.allow_wish(user, Wish("create", "authorization.k8s.io", "subjectaccessreviews"))
            known = self.users.names.get(spec.get("user"))
            user = rbac.User(spec.get("user", ""), known.rules if known else [], spec.get("groups") or [])
        wish = spec.get("resourceAttributes") or {}
        resource = wish.get("resource", "")
        if wish.get("subresource"):
            resource += "/" + wish["subresource"]
        if "nonResourceAttributes" in spec:
            allowed, reason = user.is_admin, ""
        else:
            allowed, reason = self.authorizer.check(user, Wish(wish.get("verb", ""), wish.get("group"), resource,
                                                               wish.get("namespace"), wish.get("name")))
        review.setdefault("metadata", {})["managedFields"] = []
        review["status"] = {"allowed": allowed, **({"reason": reason} if reason else {})}
        return answer(review, 201)

    async def rules_review(self, request):
        review, user = await self.body(request), request["user"]
        namespace = review["spec"].get("namespace") or "default"
        rules = [{"apiGroups": ["*"], **{key: rule[key] for key in rule if key != "namespace"}} for rule in user.rules
                 if rule.get("namespace") in (None, namespace)]
        for _, _, role in self.authorizer.bindings(user, namespace):
            rules += role["rules"] or [] if role else []
        review["status"] = {"resourceRules": rules, "nonResourceRules": [], "incomplete": False}
        return answer(review, 201)

    def check_escalation(self, user, resource, obj, namespace):
        """Nobody gives rights that he has not."""
        if resource in ("roles", "clusterroles"):
            rules, verb, what = obj.get("rules") or [], "escalate", resource
        elif resource.endswith("bindings"):
            what = "roles" if obj["roleRef"]["kind"] == "Role" else "clusterroles"
            role = self.store.get(what, namespace, obj["roleRef"]["name"])
            rules, verb = (role or {}).get("rules") or [], "bind"
            if not role and not user.is_admin:
                raise not_found(what, obj["roleRef"]["name"])
        else:
            return
        name = obj["metadata"].get("name", "")
        may = self.authorizer.check(user, Wish(verb, rbac.GROUP, what, namespace,
                                               name if verb == "escalate" else obj["roleRef"]["name"]))[0]
        lacking = [] if may else list(self.authorizer.lacking(user, rules, namespace))
        if lacking:
            groups = json.dumps(user.groups, separators=(" ", ":"))
            text = "\n".join(lacking)
            raise Failure(403, "Forbidden", f'{qualified(resource)} "{name}" is forbidden: user "{user.name}" '
                          f"(groups={groups}) is attempting to grant RBAC permissions not currently held:\n{text}",
                          **described(name, resource, rbac.GROUP))

    # ---- collections ----

    def resource_of(self, request):
        resource, group = request.match_info["resource"], request.match_info.get("group", "")
        if resource not in KINDS or group_of(resource) != group:
            raise web.HTTPNotFound()
        namespace = request.match_info.get("namespace", "")
        if namespace and not KINDS[resource][2]:
            raise web.HTTPNotFound()
        return resource, namespace

    async def collection(self, request):
        resource, namespace = self.resource_of(request)
        if request.method == "POST":
            if KINDS[resource][2] and not namespace:
                raise not_allowed()
            return await self.create(request, resource, namespace)
        if request.method not in ("GET", "DELETE"):
            raise not_allowed()
        watch = request.query.get("watch") in ("true", "1")
        verb = "deletecollection" if request.method == "DELETE" else "watch" if watch else "list"
        try:
            labels = parse_selector(request.query.get("labelSelector", ""))
            fields = parse_fields(resource, request.query.get("fieldSelector", ""))
        except ValueError as error:
            self.allow(request, verb, resource, namespace)
            raise Failure(400, "BadRequest", str(error)) from error
        # A list of one object by its name is asked for by that name, as in apiserver/pkg/endpoints/request.
        self.allow(request, verb, resource, namespace, only_name(request.query.get("fieldSelector", "")))
        if request.method == "DELETE":
            return await self.delete_collection(request, resource, namespace, labels, fields)
        if watch:
            return await self.lists.watch(request, resource, namespace, labels, fields)
        return answer(self.lists.list(request, resource, namespace, labels, fields))

    async def delete_collection(self, request, resource, namespace, labels, fields):
        options = await self.delete_options(request)
        found = list(self.store.list(resource, namespace, labels, fields))
        result = self.lists.list(request, resource, namespace, labels, fields)
        for obj in [] if options.dry else found:
            self.sandbox.garbage.delete(resource, obj, options)
        return answer(copy.deepcopy(result))

    # ---- new objects ----

    def take_unknown(self, request, resource, obj):
        """Removes unknown fields from an object. Returns the headers that warn of them."""
        mode = request.query.get("fieldValidation", "Warn")
        found = validation.unknown_fields(resource, obj)
        if found and mode == "Strict":
            kind, text = KINDS[resource][0], ", ".join(f'unknown field "{field}"' for field in found)
            raise Failure(400, "BadRequest", f'{kind} in version "v1" cannot be handled as a {kind}: strict decoding error: {text}')
        return warned(found) if mode == "Warn" else []

    @staticmethod
    def with_warnings(response, warnings):
        for key, value in warnings:
            response.headers.add(key, value)
        return response

    async def create(self, request, resource, namespace):
        self.allow(request, "create", resource, namespace)
        obj = await self.body(request, resource)
        validation.decode(resource, obj)
        warnings = self.take_unknown(request, resource, obj)
        metadata = obj["metadata"]
        if metadata.get("namespace", namespace) != namespace and KINDS[resource][2]:
            raise Failure(400, "BadRequest", "the namespace of the provided object does not match the namespace sent on the "
                          "request")
        if KINDS[resource][2] and not self.store.get("namespaces", "", namespace):
            raise not_found("namespaces", namespace)
        for key in ("uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
                    "managedFields", "generation"):
            if key == "resourceVersion" and metadata.get(key):
                raise Failure(500, "InternalError", "resourceVersion should not be set on objects to be created")
            metadata.pop(key, None)
        if resource == "pods":
            webhooks.mutate(self.sandbox.faults, obj)
        admission.complete(self.store, resource, obj, namespace)
        kind, api_version, _ = KINDS[resource]
        obj.update(kind=kind, apiVersion=api_version)
        validation.check(resource, obj)
        self.check_escalation(request["user"], resource, obj, namespace)
        admission.admit(self.store, resource, obj, namespace)
        name = metadata.get("name")
        if name and self.store.get(resource, namespace, name):
            raise Failure(409, "AlreadyExists", f'{qualified(resource)} "{name}" already exists',
                          **described(name, resource, group_of(resource)))
        if "All" in request.query.getall("dryRun", []):
            if not name:
                metadata["name"] = metadata["generateName"] + uuid.uuid4().hex[:5]
            if namespace:
                metadata["namespace"] = namespace
            metadata.update(uid=str(uuid.uuid4()), creationTimestamp=now())
            return self.with_warnings(answer(obj, 201), warnings)
        self.store.create(resource, namespace, obj)
        created = copy.deepcopy(obj)
        if resource == "pods":
            self.sandbox.scheduler.consider(obj)
        elif resource == "namespaces":
            self.sandbox.furnish(metadata["name"])
        elif resource == "resourcequotas":
            obj.setdefault("status", {})
        return self.with_warnings(answer(created, 201), warnings)

    # ---- single objects ----

    async def object(self, request):
        resource, namespace = self.resource_of(request)
        if not namespace and KINDS[resource][2]:
            raise web.HTTPNotFound()
        name, sub = request.match_info["name"], request.match_info.get("sub")
        if sub and sub not in {"pods": ("exec", "attach", "log", "status", "ephemeralcontainers", "binding"),
                               "serviceaccounts": ("token",),
                               **{scaled: ("status", "scale") for scaled in discovery.SCALED}}.get(resource, ("status",)):
            raise web.HTTPNotFound()
        verb = {"GET": "get", "DELETE": "delete", "PATCH": "patch", "PUT": "update", "POST": "create"}[request.method]
        verbs = [verb]
        if sub in ("exec", "attach") and verb == "get":
            verbs = EXEC_VERBS[self.sandbox.faults.get("exec_verb", "both")]
        for number, verb in enumerate(verbs):
            # A namespace lies in itself, as far as rights go.
            wish = Wish(verb, request.match_info.get("group", ""), f"{resource}/{sub}" if sub else resource,
                        name if resource == "namespaces" else namespace, name)
            if number and not self.authorizer.check(request["user"], wish)[0]:
                # The second check of an exec says no more than this.
                raise Failure(403, "Forbidden", f'{resource} "{name}" is forbidden: ', name=name, kind=resource)
            self.allow_wish(request["user"], wish)
        obj = self.store.get(resource, namespace, name)
        if not obj:
            raise not_found(resource, name)
        if sub in ("exec", "attach"):
            return await self.exec(request, obj, sub)
        if sub == "log":
            return self.log(request, obj)
        if sub == "scale":
            return await self.scale(request, resource, obj)
        if sub == "token" and request.method == "POST":
            return await self.token(request, obj)
        if sub == "binding" and request.method == "POST":
            return await self.bind(request, obj)
        if request.method == "GET":
            return answer(obj)
        if request.method == "DELETE" and not sub:
            return await self.delete(request, resource, obj)
        if request.method == "PATCH":
            return await self.patch(request, resource, obj, sub)
        if request.method == "PUT":
            return await self.put(request, resource, obj, sub)
        raise not_allowed()

    async def delete_options(self, request):
        body = await self.body(request) if request.can_read_body else {}
        return Options(body or {}, request.query)

    async def delete(self, request, resource, obj):
        options = await self.delete_options(request)
        options.check(resource, obj)
        if options.dry:
            return answer(obj)
        self.sandbox.garbage.delete(resource, obj, options)
        if resource == "pods" or self.store.holds(resource, obj):
            return answer(obj)
        # What is gone is told by its name and uid alone.
        details = described(obj["metadata"]["name"], resource, group_of(resource))
        if resource in ("serviceaccounts", "nodes", "services"):
            return answer(obj)
        return answer({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                       "details": {**details, "uid": obj["metadata"]["uid"]}})

    async def patch(self, request, resource, obj, sub):
        kind = request.content_type
        if kind not in patches.TYPES[:3]:
            raise unknown_format(patches.TYPES)
        try:
            changed = patches.apply(kind, obj, json.loads(await request.text()))
        except patches.PatchError as error:
            reason = "BadRequest" if error.code == 400 else "Invalid"
            raise Failure(error.code, reason, str(error)) from error
        except ValueError as error:
            raise Failure(400, "BadRequest", f"error decoding patch: {error}") from error
        return await self.update(request, resource, obj, changed, sub)

    async def put(self, request, resource, obj, sub):
        changed = await self.body(request, resource)
        return await self.update(request, resource, obj, changed, sub)

    async def update(self, request, resource, obj, changed, sub):
        """Puts a changed object in the place of one, if the change may be made."""
        validation.decode(resource, changed)
        warnings = self.take_unknown(request, resource, changed)
        old, new = obj["metadata"], changed["metadata"]
        name = old["name"]
        if new.get("name", name) != name:
            raise Failure(400, "BadRequest", f"the name of the object ({new['name']}) does not match the name on the URL ({name})")
        if new.get("resourceVersion", old["resourceVersion"]) != old["resourceVersion"]:
            raise conflict(resource, name, "the object has been modified; please apply your changes to the latest version and "
                           "try again")
        if new.get("uid", old["uid"]) != old["uid"]:
            raise conflict(resource, name, f"Precondition failed: UID in precondition: {new['uid']}, UID in object meta: "
                           f"{old['uid']}")
        for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp",
                    "deletionGracePeriodSeconds", "generation", "generateName"):
            new.pop(key, None)
            if key in old:
                new[key] = old[key]
        for part in ("spec", "status"):
            if sub and (sub == "status") != (part == "status") or not sub and part == "status" and "status" in obj:
                changed.pop(part, None)
                if part in obj:
                    changed[part] = obj[part]
        changed.update(kind=obj["kind"], apiVersion=obj["apiVersion"])
        if resource in admission.WORKLOADS:
            admission.complete_workload(resource, changed)
        added = []
        if sub == "ephemeralcontainers":
            added = self.check_ephemeral(obj, changed)
            changed["spec"] = {**obj["spec"], "ephemeralContainers": (obj["spec"].get("ephemeralContainers") or []) + added}
        elif not sub:
            validation.check(resource, changed)
            validation.check_update(resource, obj, changed)
            self.check_escalation(request["user"], resource, changed, old.get("namespace", ""))
        if "All" in request.query.getall("dryRun", []):
            return self.with_warnings(answer(changed), warnings)
        if changed == obj:
            return self.with_warnings(answer(obj), warnings)
        if resource in KEEP_COUNT and changed["spec"] != obj["spec"]:
            new["generation"] = old.get("generation", 1) + 1
        self.replace(obj, changed)
        self.store.touch(resource, obj)
        self.sandbox.garbage.after_update(resource, obj)
        response = answer(obj)
        pod = self.sandbox.nodes.of(obj) if resource == "pods" else None
        for container in added if pod else []:
            pod.add_ephemeral(container)
        return self.with_warnings(response, warnings)

    @staticmethod
    def replace(obj, changed):
        """In place: the kubelet holds on to the object."""
        for key in list(obj):
            if key not in changed:
                del obj[key]
        obj.update(changed)

    def check_ephemeral(self, obj, changed):
        """Ephemeral containers are added, never changed or removed. Returns the new ones."""
        name, spec = obj["metadata"]["name"], obj["spec"]
        if "kubernetes.io/config.mirror" in (obj["metadata"].get("annotations") or {}):
            raise invalid("pods", name, ("[]", "FieldValueForbidden", "Forbidden: static pods do not support ephemeral containers"))
        have = {c["name"]: c for c in spec.get("ephemeralContainers") or []}
        wanted = (changed.get("spec") or {}).get("ephemeralContainers") or []
        field, added = "spec.ephemeralContainers", []
        for gone in set(have) - {c.get("name") for c in wanted}:
            raise invalid("pods", name, (field, "FieldValueForbidden", "Forbidden: existing ephemeral containers "
                                         f'"{gone}" may not be removed\n'))
        taken = {c["name"] for key in ("containers", "initContainers") for c in spec.get(key) or []}
        for index, container in enumerate(wanted):
            path = f"{field}[{index}]"
            if container.get("name") in have:
                if have[container["name"]] != container:
                    raise invalid("pods", name, (field, "FieldValueForbidden", "Forbidden: existing ephemeral "
                                                 f'containers "{container["name"]}" may not be changed\n'))
                continue
            errors = list(validation.container_errors(path, container, taken, {v["name"] for v in spec.get("volumes") or []}))
            target = container.get("targetContainerName")
            if target and target not in [c["name"] for c in spec["containers"]]:
                errors.append((path + ".targetContainerName", "FieldValueNotFound", f'Not found: "{target}"'))
            for key in ("ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resources"):
                if container.get(key):
                    errors.append((f"{path}.{key}", "FieldValueForbidden", "Forbidden: cannot be set for an Ephemeral Container"))
            if errors:
                raise invalid("pods", name, *errors)
            admission.complete_container(container)
            added.append(container)
        admission.check_security(self.store, obj["metadata"]["namespace"], obj, {"ephemeralContainers": added, "containers": []})
        return added

    async def scale(self, request, resource, obj):
        """How many pods of a workload there are to be, as an object of its own."""
        metadata, spec = obj["metadata"], obj["spec"]
        selector = ",".join(f"{key}={value}" for key, value in (spec["selector"].get("matchLabels") or {}).items())
        scale = {"kind": "Scale", "apiVersion": "autoscaling/v1",
                 "metadata": {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")},
                 "spec": {"replicas": spec["replicas"]},
                 "status": {"replicas": (obj.get("status") or {}).get("replicas", 0), "selector": selector}}
        if request.method == "GET":
            return answer(scale)
        wish = await self.body(request) if request.method == "PUT" else patches.apply(request.content_type, scale, await request.json())
        changed = copy.deepcopy(obj)
        changed["spec"]["replicas"] = scale["spec"]["replicas"] = int(wish["spec"]["replicas"])
        changed["metadata"].pop("resourceVersion")
        await self.update(request, resource, obj, changed, None)
        return answer(scale)

    async def token(self, request, obj):
        """TokenRequest: a token of a service account."""
        review = await self.body(request)
        spec = review.setdefault("spec", {})
        seconds = spec.get("expirationSeconds") or 3600
        name, kind = obj["metadata"]["name"], "TokenRequest"
        if seconds < 600:
            message = f"Invalid value: {seconds}: may not specify a duration less than 10 minutes"
            raise Failure(422, "Invalid", f'{kind}.authentication.k8s.io "" is invalid: spec.expirationSeconds: {message}',
                          **{"group": "authentication.k8s.io", "kind": kind,
                             "causes": [{"reason": "FieldValueInvalid", "message": message, "field": "spec.expirationSeconds"}]})
        token, expires = self.users.mint(obj["metadata"]["namespace"], name, seconds)
        return answer({"kind": kind, "apiVersion": "authentication.k8s.io/v1",
                       "metadata": {"name": name, "namespace": obj["metadata"]["namespace"], "creationTimestamp": now()},
                       "spec": {"audiences": spec.get("audiences") or ["https://kubernetes.default.svc.cluster.local"],
                                "expirationSeconds": seconds, "boundObjectRef": spec.get("boundObjectRef")},
                       "status": {"token": token, "expirationTimestamp": expires.strftime(FORMAT)}}, 201)

    async def bind(self, request, obj):
        target, name = (await self.body(request)).get("target") or {}, obj["metadata"]["name"]
        if obj["spec"].get("nodeName"):
            raise conflict("pods/binding", name, f"pod {name} is already assigned to node \"{obj['spec']['nodeName']}\"")
        self.sandbox.scheduler.bind(obj, target.get("name", ""))
        return answer({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, 201)

    # ---- containers ----

    def container_of(self, request, obj):
        pod, spec, status = self.sandbox.nodes.of(obj), obj["spec"], obj["status"]
        pod_name, name = obj["metadata"]["name"], request.query.get("container") or spec["containers"][0]["name"]
        names = [c["name"] for key in ("containers", "initContainers", "ephemeralContainers") for c in spec.get(key) or []]
        if name not in names:
            raise Failure(400, "BadRequest", f"container {name} is not valid for pod {pod_name}")
        if not spec.get("nodeName"):
            raise Failure(400, "BadRequest", f"pod {pod_name} does not have a host assigned")
        container = pod.find(name) if pod else None
        if not pod and not self.sandbox.nodes.find(spec["nodeName"]):
            raise Failure(500, "InternalError", "Internal error occurred: error sending request: Post "
                          f"\"https://{status.get('hostIP', spec['nodeName'])}:10250/exec/{obj['metadata'].get('namespace')}/"
                          f"{pod_name}/{name}\": dial tcp: connect: connection refused")
        return container, name

    async def exec(self, request, obj, sub):
        container, name = self.container_of(request, obj)
        upgrade = request.headers.get("Upgrade", "").lower()
        refused = self.sandbox.faults.get({"websocket": "no_websocket", "spdy/3.1": "no_spdy"}.get(upgrade))
        if refused:
            refused = {} if refused is True else refused
            if refused.get("hang_up"):
                request.transport.abort()
            return web.Response(status=refused.get("code", 400), text=refused.get("body", "Upgrade request required\n"))
        if upgrade not in ("websocket", "spdy/3.1"):
            raise Failure(400, "BadRequest", "Upgrade request required")
        down = self.sandbox.faults.get("kubelet_down")
        if down == "early" or (down == "late" and upgrade != "websocket"):
            raise Failure(500, "InternalError", exec_ws.unreached(request, self.sandbox.nodes.find(obj["spec"]["nodeName"]).address)["message"])
        if down == "starting":
            return await exec_ws.answer_of_kubelet(request, 404, "pod does not exist")
        if not container or not container.running:
            return await exec_ws.answer_of_kubelet(request, 500, f'container not found ("{name}")')
        handle = exec_ws.handle if upgrade == "websocket" else exec_ws.handle_spdy
        return await handle(self.sandbox, request, container, sub)

    def log(self, request, obj):
        container, name = self.container_of(request, obj)
        if not container:
            raise Failure(400, "BadRequest", f'container "{name}" in pod "{obj["metadata"]["name"]}" is waiting to start: ContainerCreating')
        if "waiting" in container.state and not os.path.exists(container.log):
            raise Failure(400, "BadRequest", f'container "{container.name}" in pod "{obj["metadata"]["name"]}" is waiting to '
                          f'start: {container.state["waiting"]["reason"]}')
        with open(container.log, "rb") as file:
            return web.Response(body=file.read(), content_type="text/plain")

    # ---- for tests ----

    async def admin(self, request):
        if not request["user"].is_admin:
            raise Failure(403, "Forbidden", "for the admin only")
        what, nodes = request.match_info["what"], self.sandbox.nodes
        if request.method == "GET":
            found = {"pods": nodes.describe, "processes": nodes.processes, "requests": lambda: self.sandbox.requests}
            if what in found:
                return answer(found[what]())
        if what == "faults" and request.method == "PUT":
            self.sandbox.set_faults(await request.json())
            return answer({})
        if what == "users" and request.method == "POST":
            wish = await request.json()
            self.users.add(wish["name"], wish["rules"], wish.get("token"), wish.get("password"), wish.get("groups") or ())
            return answer({}, 201)
        if what == "objects" and request.method == "POST":
            wish = await request.json()
            wish["object"].setdefault("metadata", {}).setdefault("namespace", wish.get("namespace", "default"))
            if not KINDS[wish["resource"]][2]:
                del wish["object"]["metadata"]["namespace"]
            made = self.store.put(wish["resource"], wish["object"])
            self.store.as_it_is.add(made["metadata"]["uid"])
            return answer(made, 201)
        if what == "strangers" and request.method in ("POST", "DELETE"):
            (strangers.add if request.method == "POST" else strangers.remove)(self.sandbox)
            return answer({}, 201 if request.method == "POST" else 200)
        if what == "restart" and request.method == "POST":
            wish = await request.json()
            self.sandbox.background(self.sandbox.front.restart(float(wish.get("seconds", 1))))
            return answer({})
        raise web.HTTPNotFound()
