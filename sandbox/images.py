# SPDX-License-Identifier: Apache-2.0
"""Images: root file systems made from what the machine has, and their defaults."""
import copy
import hashlib
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
BUSYBOX = "/bin/busybox"
LISTED = 50  # images that a node's status tells of (the kubelet's nodeStatusMaxImages)
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Image:
    """size: as a node's status tells it, packed, and without a look at what is really here.
    private: only with a pull secret, and not on the node before."""

    def __init__(self, name, build, command, user=0, size=2000000, private=False):
        self.name, self.build, self.command, self.user = name, build, command, user
        self.size, self.private, self.here = size, private, not private
        self.digest = f"{name.rpartition(':')[0]}@sha256:{hashlib.sha256(name.encode()).hexdigest()}"


def compile_static(source, out):
    subprocess.run(["musl-gcc", "-static", "-Os", "-s", "-o", out,
                    os.path.join(HERE, "images", source)], check=True)


def base(root):
    for directory in ("bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "usr/bin", "var/tmp"):
        os.makedirs(os.path.join(root, directory), exist_ok=True)
    for directory in ("tmp", "var/tmp"):
        os.chmod(os.path.join(root, directory), 0o1777)
    write(root, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")
    write(root, "etc/group", "root:x:0:\nnobody:x:65534:\n")


def write(root, path, text):
    with open(os.path.join(root, path), "w", encoding="utf-8") as file:
        file.write(text)


def busybox(applets=None):
    def build(root):
        base(root)
        shutil.copy(BUSYBOX, os.path.join(root, "bin/busybox"))
        names = applets or subprocess.run([BUSYBOX, "--list"], check=True, text=True,
                                          stdout=subprocess.PIPE).stdout.split()
        for name in names:
            path = os.path.join(root, "bin", name)
            if not os.path.exists(path):
                os.link(os.path.join(root, "bin/busybox"), path)
    return build


def with_shell(shell, applets=None):
    """busybox, but with another shell as sh, and the libraries that it wants. (busybox's own shell
    finds every applet, also where there is no link for it.)"""
    def build(root):
        busybox(applets)(root)
        if not applets:
            os.unlink(os.path.join(root, "bin/sh"))
        copy_with_libraries(shutil.which(shell), root)
        os.symlink(shell, os.path.join(root, "bin/sh"))
    return build


def bash_and_libraries(root):
    """Also what Debian's tcpdump wants, so that it can be run when it is brought."""
    with_shell("bash")(root)
    copy_with_libraries(shutil.which("tcpdump"), root)
    os.unlink(os.path.join(root, "bin/tcpdump"))
    with open(os.path.join(root, "etc/passwd"), "a", encoding="utf-8") as file:
        file.write("tcpdump:x:101:101::/:/bin/false\n")
    with open(os.path.join(root, "etc/group"), "a", encoding="utf-8") as file:
        file.write("tcpdump:x:101:\n")


def copy_with_libraries(program, root):
    listing = subprocess.run(["ldd", program], check=True, text=True, stdout=subprocess.PIPE).stdout
    shutil.copy(program, os.path.join(root, "bin"))
    for word in listing.split():
        if word.startswith("/"):
            target = root + word
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(os.path.realpath(word), target)


def single(source, name):
    def build(root):
        for directory in ("dev", "proc", "sys", "etc"):
            os.makedirs(os.path.join(root, directory), exist_ok=True)
        compile_static(source, os.path.join(root, name))
    return build


def tar_only(root):
    base(root)
    compile_static("pause.c", os.path.join(root, "pause"))
    shutil.copy(BUSYBOX, os.path.join(root, "bin/tar"))


IMAGES = [
    Image("registry.local/busybox:1", busybox(), ["sh"], size=2160406),
    Image("registry.local/distroless-http:1", single("http.c", "http"), ["/http"], size=697133),
    Image("registry.local/pause:3.10", single("pause.c", "pause"), ["/pause"], user=65535, size=320448),
    Image("registry.local/dash-dd:1", with_shell("dash", ["dd", "chmod", "rm", "sleep", "wc", "uname"]), ["sh"], size=3126396),
    Image("registry.local/dash-bare:1", with_shell("dash", ["chmod", "rm", "sleep"]), ["sh"], size=3126395),
    Image("registry.local/dash:1", with_shell("dash"), ["sh"], size=3226396),
    Image("registry.local/bash:1", bash_and_libraries, ["sh"], size=7211392),
    Image("registry.local/tar-only:1", tar_only, ["/pause"], size=1198021),
    Image("registry.local/private:1", busybox(), ["sh"], size=2160407, private=True),
]
ALIASES = {"busybox": "registry.local/busybox:1", "busybox:latest": "registry.local/busybox:1"}


class Images:
    """Of one node; their root file systems are the same on all."""

    def __init__(self, directory):
        self.directory = directory
        self.images = {image.name: copy.copy(image) for image in IMAGES}
        self.crowd = [Image(f"registry.local/large-{number}:1", busybox(), ["sh"], size=500000000 + number)
                      for number in range(LISTED)]

    def set_crowded(self, crowded):
        """Whether the node has so many large images that it tells of no other."""
        for image in self.crowd:
            self.images.pop(image.name, None)
        if crowded:
            self.images.update({image.name: image for image in self.crowd})

    def find(self, name):
        name = ALIASES.get(name, name)
        return self.images.get(name) or next((i for i in self.images.values() if i.digest == name), None)

    def root(self, image):
        """The image's root file system, made at its first use."""
        root = os.path.join(self.directory, image.name.replace("/", "_").replace(":", "_"))
        if not os.path.isdir(root):
            os.makedirs(root + ".new")
            image.build(root + ".new")
            os.rename(root + ".new", root)
        return root

    def status(self):
        """As a kubelet gives it: the largest first, at most LISTED, each by its digest and its tag."""
        found = sorted((image for image in self.images.values() if image.here), key=lambda image: -image.size)
        return [{"names": [image.digest, image.name], "sizeBytes": image.size} for image in found[:LISTED]]
