# SPDX-License-Identifier: Apache-2.0
"""The life of pods: from a stored object to containers, and what its status says of them."""
import asyncio
import base64
import datetime
import os
import secrets
import shutil

from . import containers

GRACE = 0.2  # seconds between two looks at a container


def now():
    return datetime.datetime.utcnow().strftime("%Y-%m-%dT%H:%M:%SZ")


class Container:
    def __init__(self, pod, spec, kind, image):
        self.pod, self.spec, self.kind, self.image = pod, spec, kind, image
        self.name = spec["name"]
        self.id = secrets.token_hex(32)
        self.bundle = os.path.join(pod.directory, self.id)
        self.log = os.path.join(pod.directory, self.name + ".log")
        # The pod's security context holds where the container's says nothing.
        self.context = {**(pod.object["spec"].get("securityContext") or {}),
                        **(spec.get("securityContext") or {})}
        self.pid = None
        self.state = {"waiting": {"reason": "ContainerCreating"}}
        self.restarts = 0

    @property
    def running(self):
        return "running" in self.state

    def status(self):
        status = {"name": self.name, "state": self.state, "lastState": {}, "ready": self.running,
                  "restartCount": self.restarts, "image": self.spec["image"], "imageID": "",
                  "started": self.running, "resources": {}}
        if self.pid:
            status["containerID"] = "containerd://" + self.id
            status["imageID"] = "sha256:" + secrets.token_hex(32)
        return status


class Pod:
    def __init__(self, kubelet, obj):
        self.kubelet, self.object = kubelet, obj
        self.uid = obj["metadata"]["uid"]
        self.directory = os.path.join(kubelet.directory, "pods", self.uid)
        os.makedirs(self.directory)
        self.netns = self.address = None
        self.containers = []
        self.deleted = False

    @property
    def host_network(self):
        return bool(self.object["spec"].get("hostNetwork"))

    def find(self, name):
        return next((c for c in self.containers if c.name == name), None)

    def cgroup(self, container_id):
        uid = self.uid
        if self.kubelet.cgroup_style == "systemd":
            return (f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{uid.replace('-', '_')}"
                    f".slice/cri-containerd-{container_id}.scope")
        return f"/kubepods/besteffort/pod{uid}/{container_id}"

    # ---- from spec to bundle ----

    def volume(self, name):
        return next((v for v in self.object["spec"].get("volumes") or [] if v["name"] == name), {})

    def mounts(self, container):
        mounts = [{"destination": d, "type": t, "source": s, "options": o}
                  for d, t, s, o in containers.MOUNTS]
        for mount in container.spec.get("volumeMounts") or []:
            path = os.path.join(self.directory, "volumes", mount["name"])
            options = ["rbind", "ro" if mount.get("readOnly") else "rw"]
            volume = self.volume(mount["name"])
            if "hostPath" in volume:
                path = volume["hostPath"]["path"]
            elif "configMap" in volume:
                self.write_config_map(path, volume["configMap"])
            elif "emptyDir" in volume and not os.path.isdir(path):
                os.makedirs(path)
                os.chmod(path, 0o777)
            if mount.get("subPath") == "noexec" or (volume.get("emptyDir") or {}).get("noexec"):
                options.append("noexec")
            mounts.append({"destination": mount["mountPath"], "type": "bind", "source": path,
                           "options": options})
        for path in container.spec.get("noexecTmpfs") or []:
            mounts.append({"destination": path, "type": "tmpfs", "source": "tmpfs",
                           "options": ["nosuid", "nodev", "noexec", "mode=1777"]})
        return mounts

    def write_config_map(self, path, source):
        """The files of a ConfigMap, as a kubelet writes them."""
        found = self.kubelet.store.get("configmaps", self.object["metadata"]["namespace"], source["name"]) or {}
        files = {key: text.encode() for key, text in (found.get("data") or {}).items()}
        files.update({key: base64.b64decode(data) for key, data in (found.get("binaryData") or {}).items()})
        items = {item["key"]: item["path"] for item in source.get("items") or []}
        os.makedirs(path, exist_ok=True)
        for key, data in files.items():
            if not items or key in items:
                file = os.path.join(path, items.get(key, key))
                with open(file, "wb") as out:
                    out.write(data)
                os.chmod(file, source.get("defaultMode", 0o644))

    def namespaces(self, container):
        """The pod's network; a pid namespace of its own, but for hostPID, a shared one, or a target's."""
        result = [{"type": "ipc"}, {"type": "uts"}, {"type": "mount"},
                  {"type": "network", "path": self.kubelet.network.path(self.netns)}]
        target = self.find(container.spec.get("targetContainerName", ""))
        if self.object["spec"].get("shareProcessNamespace"):
            target = next((c for c in self.containers if c.running and c is not container), None)
        if target and target.running:
            result.append({"type": "pid", "path": f"/proc/{target.pid}/ns/pid"})
        elif not self.object["spec"].get("hostPID"):
            result.append({"type": "pid"})
        return result

    def add_ephemeral(self, spec):
        container = Container(self, spec, "ephemeral", self.kubelet.images.find(spec["image"]))
        self.containers.append(container)
        asyncio.ensure_future(self.start_container(container))

    def config(self, container):
        spec, context = container.spec, container.context
        command = (spec.get("command") or container.image.command) + (spec.get("args") or [])
        if not spec.get("command") and spec.get("args"):
            command = container.image.command[:1] + spec["args"]
        limit = (spec.get("resources") or {}).get("limits", {}).get("memory")
        resources = {"devices": [{"allow": False, "access": "rwm"},
                                 {"allow": True, "type": "c", "major": 1, "access": "rwm"},
                                 {"allow": True, "type": "c", "major": 5, "access": "rwm"},
                                 {"allow": True, "type": "c", "major": 136, "access": "rwm"}]}
        if limit:
            resources["memory"] = {"limit": int(limit.removesuffix("Mi")) << 20}
        return {
            "ociVersion": "1.0.2",
            "process": containers.process(spec, context, container.image, command),
            "root": {"path": "rootfs", "readonly": bool(context.get("readOnlyRootFilesystem"))},
            "hostname": self.object["metadata"]["name"],
            "mounts": self.mounts(container),
            "linux": {
                "cgroupsPath": self.cgroup(container.id),
                "resources": resources,
                "namespaces": self.namespaces(container),
            },
        }

    # ---- life ----

    def update(self):
        spec, status = self.object["spec"], self.object["status"]
        for kind, key in (("init", "initContainerStatuses"), ("regular", "containerStatuses"),
                          ("ephemeral", "ephemeralContainerStatuses")):
            statuses = [c.status() for c in self.containers if c.kind == kind]
            if statuses:
                status[key] = statuses
        regular = [c for c in self.containers if c.kind == "regular"]
        ready = bool(regular) and all(c.running for c in regular)
        if any(c.running for c in regular):
            status["phase"] = "Running"
        elif regular and all("terminated" in c.state for c in regular):
            failed = any(c.state["terminated"]["exitCode"] for c in regular)
            status["phase"] = "Failed" if failed else "Succeeded"
        status["conditions"] = [
            {"type": kind, "status": "True" if ready or kind == "PodScheduled" else "False",
             "lastProbeTime": None, "lastTransitionTime": status.get("startTime", now())}
            for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady",
                         "PodScheduled")]
        if self.address:
            status.update(podIP=self.address, podIPs=[{"ip": self.address}])
        status.update(hostIP="10.244.0.1", hostIPs=[{"ip": "10.244.0.1"}])
        spec.setdefault("nodeName", "node1")
        self.kubelet.store.touch("pods", self.object)

    async def in_thread(self, function, *arguments):
        return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)

    async def start_container(self, container):
        if not container.image:
            container.state = {"waiting": {
                "reason": "ImagePullBackOff",
                "message": f'Back-off pulling image "{container.spec["image"]}"'}}
            self.update()
            return
        try:
            root = self.kubelet.images.root(container.image)
            await self.in_thread(self.kubelet.runc.start, container, self.config(container), root)
            container.state = {"running": {"startedAt": now()}}
        except (RuntimeError, OSError) as error:
            container.state = {"waiting": {"reason": "RunContainerError", "message": str(error)}}
        self.update()

    async def run(self):
        self.object["status"].update(phase="Pending", startTime=now())
        if self.host_network:
            self.netns, self.address = self.kubelet.network.node, "10.244.0.1"
        else:
            self.netns, self.address = await self.in_thread(self.kubelet.network.add_pod)
        spec = self.object["spec"]
        for kind, key in (("init", "initContainers"), ("regular", "containers")):
            for entry in spec.get(key) or []:
                self.containers.append(Container(self, entry, kind, self.kubelet.images.find(entry["image"])))
        self.update()
        for container in [c for c in self.containers if c.kind == "init"]:
            await self.start_container(container)
            while container.running and not self.deleted:
                await self.look_at(container)
                await asyncio.sleep(GRACE)
        for container in [c for c in self.containers if c.kind == "regular"]:
            await self.start_container(container)
        while not self.deleted:
            for container in list(self.containers):
                if container.running:
                    await self.look_at(container)
            await asyncio.sleep(GRACE)

    async def look_at(self, container):
        """Has it ended? Then its state says so, and the restart policy what comes next."""
        if os.path.exists(f"/proc/{container.pid}") and not self.is_zombie(container.pid):
            return
        await self.in_thread(self.kubelet.runc.delete, container)
        container.state = {"terminated": {"exitCode": 137, "reason": "Error", "finishedAt": now()}}
        self.update()
        if (container.kind == "regular" and not self.deleted and
                self.object["spec"].get("restartPolicy", "Always") == "Always"):
            await asyncio.sleep(0.5)
            container.restarts += 1
            container.id = secrets.token_hex(32)
            container.bundle = os.path.join(self.directory, container.id)
            if not self.deleted:
                await self.start_container(container)

    @staticmethod
    def is_zombie(pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                return file.read().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    async def delete(self, grace):
        self.deleted = True
        running = [c for c in self.containers if c.running]
        for container in running:
            self.kubelet.runc.kill(container, "TERM")
        for _ in range(int(min(grace, 30) / 0.05)):
            if all(self.is_zombie(c.pid) for c in running):
                break
            await asyncio.sleep(0.05)
        for container in self.containers:
            await self.in_thread(self.kubelet.runc.delete, container)
            container.state = {"terminated": {"exitCode": 137, "reason": "Error", "finishedAt": now()}}
        if self.netns and not self.host_network:
            await self.in_thread(self.kubelet.network.remove_pod, self.netns)
        remove_cgroups(self.uid)
        shutil.rmtree(self.directory, ignore_errors=True)


def remove_cgroups(uid):
    for form in (uid, uid.replace("-", "_")):
        for path, directories, _ in os.walk("/sys/fs/cgroup"):
            for directory in list(directories):
                if form in directory:
                    full = os.path.join(path, directory)
                    for below, _, _ in os.walk(full, topdown=False):
                        try:
                            os.rmdir(below)
                        except OSError:
                            pass
                    directories.remove(directory)


class Kubelet:
    def __init__(self, directory, store, network, images, runc, cgroup_style):
        self.directory, self.store, self.network = directory, store, network
        self.images, self.runc, self.cgroup_style = images, runc, cgroup_style
        self.pods = {}
        self.tasks = {}

    def add(self, obj):
        pod = Pod(self, obj)
        self.pods[pod.uid] = pod
        self.tasks[pod.uid] = asyncio.get_running_loop().create_task(pod.run())
        return pod

    def of(self, obj):
        return self.pods.get(obj["metadata"]["uid"])

    async def remove(self, obj, grace):
        pod = self.pods.get(obj["metadata"]["uid"])
        if not pod:
            return
        await pod.delete(grace)
        self.tasks.pop(pod.uid).cancel()
        del self.pods[pod.uid]

    async def close(self):
        await asyncio.gather(*(self.remove(pod.object, 0) for pod in list(self.pods.values())))
