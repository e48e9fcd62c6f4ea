# SPDX-License-Identifier: Apache-2.0
"""The life of pods: from a stored object to containers, and what its status says of them."""
import asyncio
import base64
import datetime
import hashlib
import os
import secrets
import shutil

from . import containers

PAUSE = "registry.local/pause:3.10"
BACK_OFF = [0, 0.5, 1, 2, 5]  # seconds before each restart; a real kubelet goes from 10 s to 5 min
MAX_GRACE = 30  # seconds that a container is given at most after SIGTERM
PULL_ERROR = ('failed to pull and unpack image "{0}": failed to resolve image: failed to do request: '
              'dial tcp: lookup {1}: no such host')


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
        self.image_id = "sha256:" + hashlib.sha256(spec["image"].encode()).hexdigest()
        self.state = {"waiting": {"reason": "ContainerCreating"}}
        self.last = {}       # the state before the last restart
        self.restarts = 0
        self.starting = False
        self.done = None     # set when the kubelet has seen the process end
        self.task = None     # who looks after it

    @property
    def running(self):
        return "running" in self.state

    def next_attempt(self):
        """A container is never started twice: a restart is a new one."""
        self.id = secrets.token_hex(32)
        self.bundle = os.path.join(self.pod.directory, self.id)
        self.pid, self.done = None, asyncio.Event()

    def ended(self, code, started=None, reason=None, message=None):
        state = {"exitCode": code, "reason": reason or ("Error" if code else "Completed")}
        if message:
            state["message"] = message
        state.update(startedAt=started or now(), finishedAt=now(), containerID="containerd://" + self.id)
        self.state = {"terminated": state}

    def status(self):
        status = {"name": self.name, "state": self.state, "lastState": self.last, "ready": self.running,
                  "restartCount": self.restarts, "image": self.spec["image"], "imageID": "",
                  "started": self.running}
        if self.spec.get("volumeMounts"):
            status["volumeMounts"] = [{"name": mount["name"], "mountPath": mount["mountPath"],
                                       **({"readOnly": True, "recursiveReadOnly": "Disabled"}
                                          if mount.get("readOnly") else {})} for mount in self.spec["volumeMounts"]]
        if self.kind == "init":
            status["ready"] = self.state.get("terminated", {}).get("exitCode") == 0
        if self.pid:
            status["containerID"] = "containerd://" + self.id
            status.update(imageID=self.image_id, resources={})
            uid = self.context.get("runAsUser", self.image.user)
            gid = self.context.get("runAsGroup", 0)
            status["user"] = {"linux": {"uid": uid, "gid": gid, "supplementalGroups": [gid]}}
        return status


class Pod:
    def __init__(self, kubelet, obj):
        self.kubelet, self.object = kubelet, obj
        self.uid = obj["metadata"]["uid"]
        self.directory = os.path.join(kubelet.directory, "pods", self.uid)
        os.makedirs(self.directory)
        self.netns = self.address = None
        self.pause = None  # the container that holds the pod's namespaces while no other runs
        self.containers = []
        self.tasks = []  # the deadline's, and one for each container
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
            elif "projected" in volume:
                self.write_projected(path, volume["projected"])
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

    def write_projected(self, path, volume):
        """A service account's directory; only what its three sources say."""
        metadata = self.object["metadata"]
        for source in volume["sources"]:
            if "configMap" in source:
                self.write_config_map(path, {**source["configMap"], "defaultMode": volume.get("defaultMode", 0o644)})
                continue
            os.makedirs(path, exist_ok=True)
            if "serviceAccountToken" in source:
                name = self.object["spec"].get("serviceAccountName") or "default"
                files = {source["serviceAccountToken"]["path"]: self.kubelet.mint(metadata["namespace"], name)}
            else:
                files = {item["path"]: metadata[item["fieldRef"]["fieldPath"].partition(".")[2]]
                         for item in source["downwardAPI"]["items"]}
            for file, text in files.items():
                with open(os.path.join(path, file), "w", encoding="utf-8") as out:
                    out.write(text)

    def namespaces(self, container):
        """The pod's network; a pid namespace of its own, but for hostPID, a shared one, or a target's."""
        result = [{"type": "ipc"}, {"type": "uts"}, {"type": "mount"},
                  {"type": "network", "path": self.kubelet.network.path(self.netns)}]
        target = self.find(container.spec.get("targetContainerName", ""))
        if self.object["spec"].get("shareProcessNamespace"):
            target = self.pause
        if target and target is not container and (target.running or target is self.pause):
            result.append({"type": "pid", "path": f"/proc/{target.pid}/ns/pid"})
        elif not self.object["spec"].get("hostPID"):
            result.append({"type": "pid"})
        return result

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

    # ---- status ----

    def phase(self):
        """From the containers' states, as a kubelet's getPhase()."""
        init = [c for c in self.containers if c.kind == "init"]
        regular = [c for c in self.containers if c.kind == "regular"]
        if any(c.state.get("terminated", {}).get("exitCode") and not self.restarts_after(c) for c in init):
            return "Failed"
        if not regular or any("waiting" in c.state and not c.last for c in regular):
            return "Pending"
        if all("terminated" in c.state and not self.restarts_after(c) for c in regular):
            return "Failed" if any(c.state["terminated"]["exitCode"] for c in regular) else "Succeeded"
        return "Running"

    def conditions(self):
        regular = [c for c in self.containers if c.kind == "regular"]
        unready = [c.name for c in regular if not c.running]
        waiting = [c.name for c in self.containers if c.kind == "init" and
                   c.state.get("terminated", {}).get("exitCode") != 0]
        for kind, names, reason, text in (
                ("PodReadyToStartContainers", [] if self.netns else [""], None, None),
                ("Initialized", waiting, "ContainersNotInitialized", "containers with incomplete status: [{}]"),
                ("Ready", unready, "ContainersNotReady", "containers with unready status: [{}]"),
                ("ContainersReady", unready, "ContainersNotReady", "containers with unready status: [{}]"),
                ("PodScheduled", [], None, None)):
            condition = {"type": kind, "observedGeneration": 1, "status": "False" if names else "True",
                         "lastProbeTime": None, "lastTransitionTime": self.object["status"].get("startTime", now())}
            finished = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(self.object["status"].get("phase"))
            if names and finished:
                condition["reason"] = finished
            elif names and reason:
                condition.update(reason=reason, message=text.format(" ".join(names)))
            yield condition

    def update(self):
        spec, status = self.object["spec"], self.object["status"]
        for kind, key in (("init", "initContainerStatuses"), ("regular", "containerStatuses"),
                          ("ephemeral", "ephemeralContainerStatuses")):
            statuses = [c.status() for c in self.containers if c.kind == kind]
            if statuses:
                status[key] = statuses
        if status.get("reason") != "DeadlineExceeded":
            status["phase"] = self.phase()
        status["conditions"] = list(self.conditions())
        if self.address:
            status.update(podIP=self.address, podIPs=[{"ip": self.address}])
        status.update(hostIP="10.244.0.1", hostIPs=[{"ip": "10.244.0.1"}], observedGeneration=1, resources={})
        spec.setdefault("nodeName", "node1")
        self.kubelet.store.touch("pods", self.object)

    # ---- life ----

    async def in_thread(self, function, *arguments):
        return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)

    def restarts_after(self, container):
        """Whether a container that has ended is started again."""
        policy = self.object["spec"].get("restartPolicy", "Always")
        code = container.state.get("terminated", {}).get("exitCode")
        if self.deleted or container.kind == "ephemeral" or self.object["status"].get("reason") == "DeadlineExceeded":
            return False
        if container.kind == "init":
            return bool(code) and policy != "Never"
        return policy == "Always" or (policy == "OnFailure" and bool(code))

    async def obtain_image(self, container):
        """The image is here, or the container waits for one that never comes."""
        name, policy = container.spec["image"], container.spec.get("imagePullPolicy", "IfNotPresent")
        if container.image:
            if container.context.get("runAsNonRoot") and not container.context.get("runAsUser", container.image.user):
                self.wait_with(container, "CreateContainerConfigError",
                               "container has runAsNonRoot and image will run as root (pod: "
                               f'"{self.object["metadata"]["name"]}_{self.object["metadata"]["namespace"]}({self.uid})"'
                               f", container: {container.name})")
                return False
            return True
        if policy == "Never":
            self.wait_with(container, "ErrImageNeverPull",
                           f'Container image "{name}" is not present with pull policy of Never')
            return False
        error = PULL_ERROR.format(name, name.partition("/")[0])
        self.wait_with(container, "ErrImagePull", error)
        await asyncio.sleep(0.5)
        self.wait_with(container, "ImagePullBackOff", f'Back-off pulling image "{name}": ErrImagePull: {error}')
        return False

    def wait_with(self, container, reason, message):
        container.state = {"waiting": {"reason": reason, "message": message}}
        self.update()

    async def run_once(self, container):
        """One start of a container until its end, which its state tells then."""
        container.next_attempt()
        container.starting = True
        try:
            root = self.kubelet.images.root(container.image)
            await self.in_thread(self.kubelet.runc.start, container, self.config(container), root)
        except (RuntimeError, OSError) as error:
            container.ended(128, reason="StartError", message="failed to create containerd task: failed to create "
                            f"shim task: OCI runtime create failed: {error}")
            container.done.set()
            await self.in_thread(self.kubelet.runc.delete, container)
            return
        finally:
            container.starting = False
        started = now()
        container.state = {"running": {"startedAt": started}}
        self.update()
        code = await containers.wait(container.pid)
        container.ended(code, started)
        container.done.set()
        await self.in_thread(self.kubelet.runc.delete, container)

    async def tend(self, container):
        """Runs a container, and again, as the restart policy says."""
        if not await self.obtain_image(container):
            return
        while not self.deleted:
            await self.run_once(container)
            self.update()
            if not self.restarts_after(container):
                return
            pause = BACK_OFF[min(container.restarts, len(BACK_OFF) - 1)]
            container.last = container.state
            if pause:
                name = self.object["metadata"]["name"]
                self.wait_with(container, "CrashLoopBackOff", f"back-off {pause}s restarting failed container="
                               f"{container.name} pod={name}_{self.object['metadata']['namespace']}({self.uid})")
                await asyncio.sleep(pause)
            container.restarts += 1

    async def run(self):
        status, spec = self.object["status"], self.object["spec"]
        status.update(phase="Pending", startTime=now())
        for kind, key in (("init", "initContainers"), ("regular", "containers")):
            for entry in spec.get(key) or []:
                self.containers.append(Container(self, entry, kind, self.kubelet.images.find(entry["image"])))
        if self.host_network:
            self.netns, self.address = self.kubelet.network.node, "10.244.0.1"
        else:
            self.netns, self.address = await self.in_thread(self.kubelet.network.add_pod)
        self.pause = Container(self, {"name": "", "image": PAUSE}, "sandbox", self.kubelet.images.find(PAUSE))
        root = self.kubelet.images.root(self.pause.image)
        await self.in_thread(self.kubelet.runc.start, self.pause, self.config(self.pause), root)
        self.update()
        if spec.get("activeDeadlineSeconds"):
            self.tasks.append(asyncio.ensure_future(self.end_after(spec["activeDeadlineSeconds"])))
        for container in [c for c in self.containers if c.kind == "init"]:
            await self.tend(container)
            if container.state.get("terminated", {}).get("exitCode") != 0:
                return
        for container in [c for c in self.containers if c.kind == "regular"]:
            container.task = asyncio.ensure_future(self.tend(container))
            self.tasks.append(container.task)

    def add_ephemeral(self, spec):
        container = Container(self, spec, "ephemeral", self.kubelet.images.find(spec["image"]))
        self.containers.append(container)
        container.task = asyncio.ensure_future(self.tend(container))
        self.tasks.append(container.task)

    async def end_after(self, seconds):
        await asyncio.sleep(seconds)
        self.object["status"].update(phase="Failed", reason="DeadlineExceeded",
                                     message="Pod was active on the node longer than the specified deadline")
        await self.stop(self.object["spec"].get("terminationGracePeriodSeconds", MAX_GRACE))
        self.update()

    async def stop(self, grace):
        """SIGTERM, then SIGKILL, to everything that runs."""
        running = [c for c in self.containers if c.running]
        if grace:
            for container in running:
                await self.in_thread(self.kubelet.runc.kill, container, "TERM")
            waits = [asyncio.ensure_future(c.done.wait()) for c in running]
            if waits:
                _, left = await asyncio.wait(waits, timeout=min(grace, MAX_GRACE))
                for wait in left:
                    wait.cancel()
        for container in running:
            if not container.done.is_set():
                await self.in_thread(self.kubelet.runc.kill, container, "KILL")
        for container in running:
            await container.done.wait()

    async def delete(self, grace):
        self.deleted = True
        while any(c.starting for c in self.containers):
            await asyncio.sleep(0.02)
        await self.stop(grace)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.update()
        for container in self.containers + ([self.pause] if self.pause else []):
            await self.in_thread(self.kubelet.runc.delete, container)
        if self.pause and self.pause.pid:
            await containers.wait(self.pause.pid)
        if self.netns and not self.host_network:
            await self.in_thread(self.kubelet.network.remove_pod, self.netns)
        await self.in_thread(remove_cgroups, self.uid)
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
    def __init__(self, directory, store, network, images, runc, cgroup_style, mint):
        """mint(namespace, service account): a token for it."""
        self.mint = mint
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
        # It may be just starting: what it is about to make must be there to be removed.
        task = self.tasks[pod.uid]
        pod.deleted = True
        while not task.done() and not (pod.pause and pod.pause.pid):
            await asyncio.wait([task], timeout=0.02)
        await pod.delete(grace)
        task.cancel()
        self.tasks.pop(pod.uid, None)
        self.pods.pop(pod.uid, None)

    async def close(self):
        await asyncio.gather(*(self.remove(pod.object, 0) for pod in list(self.pods.values())))
