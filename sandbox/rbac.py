# SPDX-License-Identifier: Apache-2.0
"""Who may do what. Users come from a client certificate, a bearer token or basic auth; their rights
are lists of rules as in a Role: {"verbs": [...], "resources": [...], "namespace": ... or None}."""
import base64

ADMIN = [{"verbs": ["*"], "resources": ["*"]}]


class User:
    def __init__(self, name, rules):
        self.name, self.rules = name, rules

    def may(self, verb, resource, namespace):
        for rule in self.rules:
            if (("*" in rule["verbs"] or verb in rule["verbs"]) and
                    ("*" in rule["resources"] or resource in rule["resources"]) and
                    rule.get("namespace") in (None, namespace)):
                return True
        return False


class Users:
    def __init__(self):
        self.tokens = {}
        self.names = {}
        self.passwords = {}
        self.add("sandbox-admin", ADMIN)

    def add(self, name, rules, token=None, password=None):
        user = self.names.setdefault(name, User(name, rules))
        user.rules = rules  # also of the tokens that it has already
        if token:
            self.tokens[token] = user
        if password:
            self.passwords[(name, password)] = user
        return user

    def identify(self, request):
        """Returns the user of a request, None for nobody."""
        header = request.headers.get("Authorization", "")
        if header.startswith("Bearer "):
            return self.tokens.get(header[7:])
        if header.startswith("Basic "):
            try:
                name, _, password = base64.b64decode(header[6:]).decode().partition(":")
            except ValueError:
                return None
            return self.passwords.get((name, password))
        certificate = request.transport.get_extra_info("peercert")
        if not certificate:
            return None
        name = next(value for part in certificate["subject"] for key, value in part if key == "commonName")
        user = self.names.get(name)
        impersonated = request.headers.get("Impersonate-User")
        if user and impersonated:
            return self.names.get(impersonated) or User(impersonated, [])
        return user


def forbidden(user, verb, resource, group, namespace, name):
    kind = resource.partition("/")[0]
    subject = f'{kind} "{name}"' if name else kind
    scope = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    return (f'{subject} is forbidden: User "{user.name}" cannot {verb} resource "{resource}" in API group '
            f'"{group}" {scope}')
