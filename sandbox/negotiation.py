# SPDX-License-Identifier: Apache-2.0
"""Answers cut down to the metadata, where the Accept header asks for that.

Source: kubernetes, staging/src/k8s.io/apiserver/pkg/endpoints/handlers/response.go
"""

import json

from .failures import Failure, answer

VERSION = "meta.k8s.io/v1"


def wish(accept):
    """What the first of the media types asks the answer to be turned into: "" for nothing."""
    first = [part.strip() for part in accept.partition(",")[0].split(";")]
    parameters = dict(part.partition("=")[::2] for part in first[1:])
    fits = first[0] == "application/json" and (parameters.get("g"), parameters.get("v")) == ("meta.k8s.io", "v1")
    return parameters.get("as", "") if fits else ""


def part(obj):
    return {"kind": "PartialObjectMetadata", "apiVersion": VERSION, "metadata": obj["metadata"]}


def cut(request, response):
    """The answer of a handler as it goes out."""
    wanted = wish(request.headers.get("Accept", ""))
    if not wanted.startswith("PartialObjectMetadata") or response.status >= 300 or not getattr(response, "body", None):
        return response
    obj = json.loads(response.body)
    if obj["kind"] == "Status":
        return response
    if wanted.endswith("List") != ("items" in obj):
        is_list = "is a list" if "items" in obj else "is not a list"
        raise Failure(406, "NotAcceptable", f"you requested {wanted}, but the requested object {is_list} "
                      f"(*core.{obj['kind']})")
    if "items" in obj:
        obj = {"kind": wanted, "apiVersion": VERSION, "metadata": obj["metadata"], "items": [part(item) for item in obj["items"]]}
    else:
        obj = part(obj)
    warnings = response.headers.getall("Warning", [])
    response = answer(obj, response.status)
    for warning in warnings:
        response.headers.add("Warning", warning)
    return response
