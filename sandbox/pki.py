# SPDX-License-Identifier: Apache-2.0
"""Certificates, by openssl, and the kubeconfig."""
import base64
import os
import subprocess


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Pki:
    def __init__(self, directory):
        self.directory = directory
        self.ca = self.path("ca.crt")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                "-subj", "/CN=sandbox-ca", "-keyout", self.path("ca.key"), "-out", self.ca)
        self.issue("server", "kubernetes", "subjectAltName=DNS:localhost,DNS:kubernetes,IP:127.0.0.1")
        self.issue("admin", "sandbox-admin", "extendedKeyUsage=clientAuth")

    def path(self, name):
        return os.path.join(self.directory, name)

    def issue(self, name, common_name, extension):
        with open(self.path(name + ".ext"), "w", encoding="ascii") as file:
            file.write(extension + "\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-subj", "/CN=" + common_name, "-keyout", self.path(name + ".key"), "-out", self.path(name + ".csr"))
        openssl("x509", "-req", "-in", self.path(name + ".csr"), "-CA", self.ca, "-CAkey", self.path("ca.key"),
                "-CAcreateserial", "-days", "30", "-extfile", self.path(name + ".ext"),
                "-out", self.path(name + ".crt"))

    def data(self, name):
        with open(self.path(name), "rb") as file:
            return base64.b64encode(file.read()).decode()


def kubeconfig(pki, server, tokens):
    users = [{"name": "admin", "user": {"client-certificate-data": pki.data("admin.crt"),
                                        "client-key-data": pki.data("admin.key")}}]
    users += [{"name": name, "user": {"token": token}} for name, token in tokens.items()]
    contexts = [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "admin", "namespace": "default"}}]
    contexts += [{"name": name, "context": {"cluster": "sandbox", "user": name}} for name in tokens]
    return {"apiVersion": "v1", "kind": "Config", "current-context": "sandbox",
            "clusters": [{"name": "sandbox", "cluster": {"server": server,
                                                         "certificate-authority-data": pki.data("ca.crt")}}],
            "users": users, "contexts": contexts}
