# SPDX-License-Identifier: Apache-2.0
"""Who may do what: users come from a client certificate, a bearer token or basic auth; their rights from
Roles and ClusterRoles by their bindings, as a real server's RBAC authorizer decides. A test may also give
a user rules of its own, which hold without a binding: {"verbs": [...], "resources": [...], "namespace":
... or None, and perhaps "apiGroups" and "resourceNames"}."""
import base64
import datetime
import secrets

ADMIN = [{"verbs": ["*"], "resources": ["*"]}]
GROUP = "rbac.authorization.k8s.io"
ACCOUNT = "system:serviceaccount:"


class User:
    def __init__(self, name, rules, groups=()):
        self.name, self.rules, self.more_groups = name, rules, list(groups)

    @property
    def groups(self):
        groups = list(self.more_groups)
        if self.name.startswith(ACCOUNT):
            groups += ["system:serviceaccounts", "system:serviceaccounts:" + self.name.split(":")[2]]
        return groups + ["system:authenticated"]

    @property
    def is_admin(self):
        return any("*" in rule["verbs"] and "*" in rule["resources"] and not rule.get("namespace")
                   for rule in self.rules)


class Users:
    def __init__(self, store=None):
        self.store = store
        self.tokens = {}
        self.minted = {}  # token: (namespace, service account, its uid, when it expires)
        self.names = {}
        self.passwords = {}
        self.add("sandbox-admin", ADMIN)

    def add(self, name, rules, token=None, password=None, groups=()):
        user = self.names.setdefault(name, User(name, rules))
        user.rules = rules  # also of the tokens that it has already
        user.more_groups = list(groups)
        if token:
            self.tokens[token] = user
        if password:
            self.passwords[(name, password)] = user
        return user

    def mint(self, namespace, account, seconds=3607):
        """A token for a service account, which may do what its bindings say, as long as the account exists."""
        name, token = f"{ACCOUNT}{namespace}:{account}", secrets.token_urlsafe(24)
        found = self.store.get("serviceaccounts", namespace, account)
        expires = datetime.datetime.utcnow() + datetime.timedelta(seconds=seconds)
        self.tokens[token] = self.names.setdefault(name, User(name, []))
        self.minted[token] = (namespace, account, found and found["metadata"]["uid"], expires)
        return token, expires

    def by_token(self, token):
        user = self.tokens.get(token)
        if token in self.minted:
            namespace, account, uid, expires = self.minted[token]
            found = self.store.get("serviceaccounts", namespace, account)
            if not found or found["metadata"]["uid"] != uid or datetime.datetime.utcnow() > expires:
                return None
        return user

    def identify(self, request):
        """Returns the user of a request, None for nobody."""
        header = request.headers.get("Authorization", "")
        if header.startswith("Bearer "):
            user = self.by_token(header[7:])
        elif header.startswith("Basic "):
            try:
                name, _, password = base64.b64decode(header[6:]).decode().partition(":")
            except ValueError:
                return None
            user = self.passwords.get((name, password))
        else:
            certificate = request.transport.get_extra_info("peercert")
            if not certificate:
                return None
            name = next(value for part in certificate["subject"] for key, value in part if key == "commonName")
            user = self.names.get(name)
        impersonated = request.headers.get("Impersonate-User")
        if user and user.is_admin and impersonated:
            known = self.names.get(impersonated)
            return User(impersonated, known.rules if known else [], request.headers.getall("Impersonate-Group", []))
        return user


class Wish:
    """What somebody wants to do. resource: "pods", "pods/exec"; namespace and name may be empty."""

    def __init__(self, verb, group, resource, namespace="", name=""):
        self.verb, self.group, self.resource = verb, group or "", resource
        self.namespace, self.name = namespace or "", name or ""


def fits(rule, wish):
    """Whether a rule allows it. As in Kubernetes "pods/*" is no pattern, and "*/exec" is one."""
    resources, names = rule.get("resources") or [], rule.get("resourceNames") or []
    sub = wish.resource.partition("/")[2]
    return (("*" in (rule.get("verbs") or []) or wish.verb in rule["verbs"]) and
            ("*" in (rule.get("apiGroups") or []) or wish.group in (rule.get("apiGroups") or [])) and
            ("*" in resources or wish.resource in resources or bool(sub) and "*/" + sub in resources) and
            (not names or wish.name in names))


def describe(subject, namespace):
    if subject["kind"] == "ServiceAccount":
        return f'ServiceAccount "{subject["name"]}/{subject.get("namespace") or namespace}"'
    return f'{subject["kind"]} "{subject["name"]}"'


def is_subject(user, subject, namespace):
    if subject["kind"] == "User":
        return user.name == subject["name"]
    if subject["kind"] == "Group":
        return subject["name"] in user.groups
    if subject["kind"] == "ServiceAccount":
        space = subject.get("namespace") or namespace
        return bool(space) and user.name == f"{ACCOUNT}{space}:{subject['name']}"
    return False


class Authorizer:
    def __init__(self, store):
        self.store = store

    def bindings(self, user, namespace):
        """The bindings that hold for a user: (binding, its description, its role or None)."""
        lists = [("clusterrolebindings", "")] + ([("rolebindings", namespace)] if namespace else [])
        for resource, space in lists:
            for binding in self.store.list(resource, space):
                subject = next((s for s in binding.get("subjects") or [] if is_subject(user, s, space)), None)
                if not subject:
                    continue
                reference, name = binding["roleRef"], binding["metadata"]["name"]
                full = f"{name}/{space}" if space else name
                text = (f'{binding["kind"]} "{full}" of {reference["kind"]} "{reference["name"]}" to '
                        f"{describe(subject, space)}")
                roles = "roles" if reference["kind"] == "Role" else "clusterroles"
                yield reference, text, self.store.get(roles, space, reference["name"])

    def check(self, user, wish):
        """Returns whether it is allowed, and the reason, which may be empty."""
        for rule in user.rules:
            rule = {"apiGroups": ["*"], **rule}
            if rule.get("namespace") in (None, wish.namespace) and fits(rule, wish):
                return True, ""
        missing = []
        for reference, text, role in self.bindings(user, wish.namespace):
            if not role:
                kind = reference["kind"].lower()
                missing.append(f'{kind}.{GROUP} "{reference["name"]}" not found')
            elif any(fits(rule, wish) for rule in role.get("rules") or []):
                return True, "RBAC: allowed by " + text
        if missing:
            return False, "RBAC: " + (missing[0] if len(missing) == 1 else "[" + ", ".join(missing) + "]")
        return False, ""

    def lacking(self, user, rules, namespace):
        """Which of the rules a user does not have himself, and so may not give to others."""
        for rule in rules:
            for group in rule.get("apiGroups") or [""]:
                for resource in rule.get("resources") or []:
                    for verb in rule.get("verbs") or []:
                        for name in rule.get("resourceNames") or [""]:
                            if not self.check(user, Wish(verb, group, resource, namespace, name))[0]:
                                yield (f'{{APIGroups:["{group}"], Resources:["{resource}"], '
                                       f'{f"ResourceNames:[{chr(34)}{name}{chr(34)}], " if name else ""}Verbs:["{verb}"]}}')


def forbidden(user, wish, reason=""):
    """The message to a user who may not."""
    kind = wish.resource.partition("/")[0]
    kind = f"{kind}.{wish.group}" if wish.group else kind
    subject = f'{kind} "{wish.name}"' if wish.name else kind
    scope = f'in the namespace "{wish.namespace}"' if wish.namespace else "at the cluster scope"
    message = (f'{subject} is forbidden: User "{user.name}" cannot {wish.verb} resource "{wish.resource}" in API group '
               f'"{wish.group}" {scope}')
    return f"{message}: {reason}" if reason else message
