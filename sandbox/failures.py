# SPDX-License-Identifier: Apache-2.0
"""Failures, as the Status objects of a real API server."""
import json

from aiohttp import web

from .store import KINDS

HEADERS = {"Cache-Control": "no-cache, private"}


def answer(obj, code=200, headers=None):
    return web.Response(body=json.dumps(obj, separators=(",", ":")).encode(), status=code,
                        headers={**HEADERS, **(headers or {})}, content_type="application/json")


class Failure(Exception):
    headers = {}

    def __init__(self, code, reason, message, **details):
        super().__init__(message)
        self.code = code
        self.status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                       "message": message, "reason": reason}
        if details:
            self.status["details"] = details
        self.status["code"] = code


def group_of(resource):
    """The API group of a resource, "" for the core's."""
    api_version = KINDS[resource][1] if resource in KINDS else ""
    return api_version.rpartition("/")[0]


def qualified(resource, group=None):
    """A resource as messages name it: with its group, where it has one."""
    group = group_of(resource) if group is None else group
    return f"{resource}.{group}" if group else resource


def described(name, kind, group):
    """The details of a Status, in the order of the real ones."""
    details = {"name": name} if name else {}
    if group:
        details["group"] = group
    return {**details, "kind": kind}


def not_found(resource, name):
    return Failure(404, "NotFound", f'{qualified(resource)} "{name}" not found',
                   **described(name, resource, group_of(resource)))


def conflict(resource, name, text):
    return Failure(409, "Conflict", f'Operation cannot be fulfilled on {qualified(resource)} "{name}": {text}',
                   **described(name, resource, group_of(resource)))


def refused(resource, name, text):
    """What an admission plugin forbids."""
    return Failure(403, "Forbidden", f'{qualified(resource)} "{name}" is forbidden: {text}',
                   **described(name, resource, group_of(resource)))


def invalid(resource, name, *causes):
    """causes: (field, reason, message) each."""
    kind, group = KINDS[resource][0], group_of(resource)
    texts = [f"{field}: {message}" for field, _, message in causes]
    text = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    return Failure(422, "Invalid", f'{qualified(kind, group)} "{name}" is invalid: {text}',
                   **described(name, kind, group),
                   causes=[{"reason": reason, "message": message, "field": field} for field, reason, message in causes])


def not_allowed():
    return Failure(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
