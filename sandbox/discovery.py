# SPDX-License-Identifier: Apache-2.0
"""What the server can do: versions, groups, resources, and as much of OpenAPI as kubectl asks for."""
from aiohttp import web

from .failures import answer
from .store import KINDS

VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
SHORT = {"pods": ["po"], "namespaces": ["ns"], "nodes": ["no"], "services": ["svc"], "configmaps": ["cm"],
         "deployments": ["deploy"], "serviceaccounts": ["sa"], "endpoints": ["ep"], "events": ["ev"],
         "resourcequotas": ["quota"], "limitranges": ["limits"], "replicasets": ["rs"], "statefulsets": ["sts"], "daemonsets": ["ds"], "cronjobs": ["cj"]}
SUBRESOURCES = [("pods/exec", "PodExecOptions", ["create", "get"]), ("pods/attach", "PodAttachOptions", ["create", "get"]),
                ("pods/log", "Pod", ["get"]), ("pods/status", "Pod", ["get", "patch", "update"]),
                ("pods/ephemeralcontainers", "Pod", ["get", "patch", "update"]), ("pods/binding", "Binding", ["create"]),
                ("serviceaccounts/token", "TokenRequest", ["create"])]
SCALED = ("deployments", "replicasets", "statefulsets")
REVIEWS = {"authorization.k8s.io": ["SelfSubjectAccessReview", "SelfSubjectRulesReview", "SubjectAccessReview"],
           "authentication.k8s.io": ["SelfSubjectReview"]}
GROUPS = sorted({api_version.rpartition("/")[0] for _, api_version, _ in KINDS.values()} - {""}) + ["authentication.k8s.io", "authorization.k8s.io"]


def group(name):
    version = {"groupVersion": name + "/v1", "version": "v1"}
    return {"name": name, "versions": [version], "preferredVersion": version}


async def version(_):
    return answer({"major": "1", "minor": "36", "emulationMajor": "1", "emulationMinor": "36",
                   "minCompatibilityMajor": "1", "minCompatibilityMinor": "35", "gitVersion": "v1.36.2", "gitCommit": "sandbox",
                   "gitTreeState": "clean", "buildDate": "2026-08-21T00:00:00Z", "goVersion": "go1.26.10",
                   "compiler": "gc", "platform": "linux/amd64"})


async def api_versions(_):
    return answer({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})


async def api_groups(_):
    return answer({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group(name) for name in GROUPS]})


async def api_group(request):
    name = request.match_info["group"]
    if name not in GROUPS:
        raise web.HTTPNotFound()
    return answer({"kind": "APIGroup", "apiVersion": "v1", **group(name)})


async def resources(request):
    name = request.match_info.get("group")
    of = name + "/v1" if name else "v1"
    if name and name not in GROUPS:
        raise web.HTTPNotFound()
    found = [{"name": resource, "singularName": kind.lower(), "namespaced": namespaced, "kind": kind, "verbs": VERBS,
              **({"shortNames": SHORT[resource]} if resource in SHORT else {}),
              **({"categories": ["all"]} if resource in ("pods", "services", "deployments", "replicasets", "statefulsets", "daemonsets", "jobs", "cronjobs") else {})}
             for resource, (kind, api_version, namespaced) in KINDS.items() if api_version == of]
    if not name:
        found += [{"name": resource, "singularName": "", "namespaced": True, "kind": kind, "verbs": verbs,
                   **({"group": "authentication.k8s.io", "version": "v1"} if kind == "TokenRequest" else {})}
                  for resource, kind, verbs in SUBRESOURCES]
    if name == "apps":
        found += [{"name": resource + "/scale", "singularName": "", "namespaced": True, "group": "autoscaling", "version": "v1",
                   "kind": "Scale", "verbs": ["get", "patch", "update"]} for resource in SCALED]
    found += [{"name": kind.lower() + "s", "singularName": kind.lower(), "namespaced": False, "kind": kind,
               "verbs": ["create"]} for kind in REVIEWS.get(name, [])]
    return answer({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": of, "resources": found})


# ---- OpenAPI: kubectl apply asks whether the server itself validates fields ----

def prefix(api_version):
    return "api/v1" if api_version == "v1" else "apis/" + api_version


async def openapi_v3(_):
    paths = {prefix(of): {"serverRelativeURL": f"/openapi/v3/{prefix(of)}?hash=1"}
             for of in sorted({api_version for _, api_version, _ in KINDS.values()})}
    return answer({"paths": paths})


async def openapi_v3_group(request):
    wanted, paths = request.match_info["path"], {}
    for resource, (kind, of, namespaced) in KINDS.items():
        if prefix(of) != wanted:
            continue
        path = f"/{wanted}/{'namespaces/{namespace}/' if namespaced else ''}{resource}/{{name}}"
        names = ["dryRun", "fieldManager", "fieldValidation", "force"]
        paths[path] = {"patch": {
            "parameters": [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names],
            "responses": {"200": {"description": "OK"}}, "x-kubernetes-action": "patch",
            "x-kubernetes-group-version-kind": {"group": of.rpartition("/")[0], "kind": kind,
                                                "version": of.rpartition("/")[2]}}}
    if not paths:
        raise web.HTTPNotFound()
    return answer({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.36.2"}, "paths": paths,
                   "components": {"schemas": {}}})


async def openapi_v2(request):
    """A document that describes nothing: what is not described, kubectl does not check."""
    if "proto" not in request.headers.get("Accept", ""):
        return answer({"swagger": "2.0", "info": {"title": "Kubernetes", "version": "v1.36.2"}, "paths": {},
                       "definitions": {}})

    def field(number, data):
        return bytes([number << 3 | 2, len(data)]) + data
    document = field(1, b"2.0") + field(2, field(1, b"Kubernetes") + field(2, b"v1.36.2")) + field(8, b"")
    return web.Response(body=document, headers={
        "Content-Type": "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"})


def add_routes(route):
    route("GET", "/version", version)
    route("GET", "/api", api_versions)
    route("GET", "/apis", api_groups)
    route("GET", "/openapi/v3", openapi_v3)
    route("GET", "/openapi/v3/{path:.+}", openapi_v3_group)
    route("GET", "/openapi/v2", openapi_v2)
    route("GET", "/api/v1", resources)
    route("GET", "/apis/{group:[^/]+}", api_group)
    route("GET", "/apis/{group:[^/]+}/v1", resources)
