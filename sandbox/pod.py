# SPDX-License-Identifier: Apache-2.0
"""The life of pods: from a stored object to containers, and what its status says of them."""
import asyncio
import base64
import hashlib
import math
import os
import secrets
import shutil

from . import containers, network, volumes
from .units import now

PAUSE = "registry.local/pause:3.10"
RETRY = 0.5  # seconds between two tries of what a kubelet tries again
BACK_OFF = [0, 0.5, 1, 2, 5]  # seconds before each restart; a real kubelet goes from 10 s to 5 min
ENDED = ("DeadlineExceeded", "Evicted")  # reasons why a pod as a whole has failed
MAX_GRACE = 30  # seconds that a container is given at most after SIGTERM
PULL_ERROR = ('failed to pull and unpack image "{0}": failed to resolve image: failed to do request: '
              'dial tcp: lookup {1}: no such host')


UNAUTHORIZED = ('failed to pull and unpack image "{0}": failed to resolve image: failed to authorize: failed to fetch '
                'anonymous token: unexpected status from GET request to https://{1}/token: 401 Unauthorized')
NO_SUCH_LABEL = ("unable to start container process: error during container init: "
                 "write /proc/thread-self/attr/keycreate: invalid argument")
# What a kubelet says of a container that had not run when its pod was ended.
NEVER_RAN = {"exitCode": 137, "reason": "ContainerStatusUnknown", "startedAt": None, "finishedAt": None,
             "message": "The container could not be located when the pod was terminated"}
START_ERROR = ('failed to create containerd container: error unpacking image: failed to extract layer: '
               'mount callback failed: input/output error')


class Container:
    def __init__(self, pod, spec, kind):
        self.pod, self.spec, self.kind = pod, spec, kind
        self.image = pod.kubelet.images.find(spec["image"])
        self.runtime = pod.kubelet.faults().get("runtime") or "containerd"
        self.name = spec["name"]
        self.id = secrets.token_hex(32)
        self.bundle = os.path.join(pod.directory, self.id)
        self.log = os.path.join(pod.directory, self.name + ".log")
        # The pod's security context holds where the container's says nothing.
        self.context = {**(pod.object["spec"].get("securityContext") or {}),
                        **(spec.get("securityContext") or {})}
        self.pid = None       # as the machine counts; None once it has ended: soon it may be another's
        self.node_pid = None  # as the node counts
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
        self.pid, self.node_pid, self.done = None, None, asyncio.Event()

    def ended(self, code, started=None, reason=None, message=None):
        state = {"exitCode": code, "reason": reason or ("Error" if code else "Completed")}
        if message:
            state["message"] = message
        state.update(startedAt=started or now(), finishedAt=now(), containerID=self.runtime + "://" + self.id)
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
        if self.node_pid:
            status["containerID"] = self.runtime + "://" + self.id
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
        self.quality = obj["status"].get("qosClass", "BestEffort").lower()
        self.pause = None  # the container that holds the pod's namespaces while no other runs
        self.paused = 0    # when that was started
        self.containers = []
        self.empty_dirs = volumes.EmptyDirs(self)
        self.tasks = []  # the deadline's, the disk's, and one for each container
        self.deleted = False
        self.kill_at = math.inf  # by the loop's clock: what then still runs gets SIGKILL
        self.gone = asyncio.Event()
        self.ending = None  # the end of the pod's own process and network

    @property
    def over(self):
        """Nothing is started in it any more."""
        return self.deleted or self.object["status"].get("reason") in ENDED

    @property
    def host_network(self):
        return bool(self.object["spec"].get("hostNetwork"))

    def find(self, name):
        return next((c for c in self.containers if c.name == name), None)

    def name_of(self, container_id):
        """The name of a container; "" for the pod's own."""
        return next((c.name for c in self.containers if c.id == container_id), "")

    # ---- from spec to bundle ----

    def volume(self, name):
        return next((v for v in self.object["spec"].get("volumes") or [] if v["name"] == name), {})

    def mounts(self, container):
        writable = container.context.get("privileged")
        mounts = [{"destination": d, "type": t, "source": s, "options": [w for w in o if w != "ro" or not writable]}
                  for d, t, s, o in containers.MOUNTS]
        for mount in container.spec.get("volumeMounts") or []:
            path = os.path.join(self.directory, "volumes", mount["name"])
            options = ["rbind", "ro" if mount.get("readOnly") else "rw"]
            volume = self.volume(mount["name"])
            if "hostPath" in volume:
                path = volume["hostPath"]["path"]
            elif "configMap" in volume:
                self.write_config_map(path, volume["configMap"])
            elif "secret" in volume:
                source = volume["secret"]
                self.write_config_map(path, {**source, "name": source.get("secretName")}, "secrets")
            elif "projected" in volume:
                self.write_projected(path, volume["projected"])
            elif "emptyDir" in volume:
                self.empty_dirs.make(mount["name"], volume["emptyDir"] or {})
            if mount.get("subPath") == "noexec" or (volume.get("emptyDir") or {}).get("noexec"):
                options.append("noexec")
            mounts.append({"destination": mount["mountPath"], "type": "bind", "source": path,
                           "options": options})
        for path in container.spec.get("noexecTmpfs") or []:
            mounts.append({"destination": path, "type": "tmpfs", "source": "tmpfs",
                           "options": ["nosuid", "nodev", "noexec", "mode=1777"]})
        return mounts

    def missing_volumes(self):
        """The ConfigMaps and Secrets that a volume is to be made of and that are not there (yet)."""
        for volume in self.object["spec"].get("volumes") or []:
            for key, resource, name in (("configMap", "configmaps", "name"), ("secret", "secrets", "secretName")):
                source = volume.get(key)
                if source and not source.get("optional") and not self.kubelet.store.get(
                        resource, self.object["metadata"]["namespace"], source.get(name)):
                    yield volume["name"]

    def write_config_map(self, path, source, resource="configmaps"):
        """The files of a ConfigMap or Secret, as a kubelet writes them."""
        found = self.kubelet.store.get(resource, self.object["metadata"]["namespace"], source["name"]) or {}
        files, binary = {key: text.encode() for key, text in (found.get("data") or {}).items()}, found.get("binaryData")
        if resource == "secrets":
            files, binary = {}, found.get("data")
        files.update({key: base64.b64decode(data) for key, data in (binary or {}).items()})
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
                files = {source["serviceAccountToken"]["path"]: self.kubelet.mint(metadata["namespace"], name)[0]}
            else:
                files = {item["path"]: metadata[item["fieldRef"]["fieldPath"].partition(".")[2]]
                         for item in source["downwardAPI"]["items"]}
            for file, text in files.items():
                with open(os.path.join(path, file), "w", encoding="utf-8") as out:
                    out.write(text)

    def namespaces(self, container):
        """The pod's network; a pid namespace of its own, but for hostPID, a shared one, or a target's."""
        result = [{"type": "ipc"}, {"type": "uts"}, {"type": "mount"},
                  {"type": "network", "path": network.path(self.netns)}]
        target = self.find(container.spec.get("targetContainerName", ""))
        if self.object["spec"].get("shareProcessNamespace"):
            target = self.pause
        if target and target is not container and (target.running or target is self.pause):
            result.append({"type": "pid", "path": f"/proc/{target.node_pid}/ns/pid"})
        elif not self.object["spec"].get("hostPID"):
            result.append({"type": "pid"})
        return result

    def config(self, container):
        spec, context = container.spec, container.context
        command = (spec.get("command") or container.image.command) + (spec.get("args") or [])
        if not spec.get("command") and spec.get("args"):
            command = container.image.command[:1] + spec["args"]
        limits = (spec.get("resources") or {}).get("limits") or {}
        privileged = bool(context.get("privileged"))
        linux = {
            "cgroupsPath": self.kubelet.cgroups.path(self.uid, self.quality, container.id),
            "resources": containers.resources(limits, privileged),
            "namespaces": self.namespaces(container),
        }
        if not privileged and context.get("procMount") != "Unmasked":
            linux.update(maskedPaths=containers.MASKED, readonlyPaths=containers.READ_ONLY)
        if container.kind != "sandbox" and containers.may_not_enter(self.kubelet.faults().get("setns_denied"), context):
            linux["seccomp"] = containers.NO_SETNS
        return {
            "ociVersion": "1.0.2",
            "process": containers.process(container, command),
            "root": {"path": "rootfs", "readonly": bool(context.get("readOnlyRootFilesystem"))},
            "hostname": self.kubelet.node.name if self.host_network else self.object["metadata"]["name"][:63],
            "mounts": self.mounts(container),
            "linux": linux,
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
        status = self.object["status"]
        for kind, key in (("init", "initContainerStatuses"), ("regular", "containerStatuses"),
                          ("ephemeral", "ephemeralContainerStatuses")):
            statuses = [c.status() for c in self.containers if c.kind == kind]
            if statuses:
                status[key] = statuses
        if status.get("reason") not in ENDED:
            status["phase"] = self.phase()
        status["conditions"] = list(self.conditions())
        if self.address:
            status.update(podIP=self.address, podIPs=[{"ip": self.address}])
        host = self.kubelet.node.address
        status.update(hostIP=host, hostIPs=[{"ip": host}], observedGeneration=1, resources={})
        self.kubelet.store.touch("pods", self.object)

    # ---- life ----

    async def in_thread(self, function, *arguments):
        return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)

    def restarts_after(self, container):
        """Whether a container that has ended is started again."""
        policy = self.object["spec"].get("restartPolicy", "Always")
        code = container.state.get("terminated", {}).get("exitCode")
        if self.over or container.kind == "ephemeral":
            return False
        if container.kind == "init":
            return bool(code) and policy != "Never"
        return policy == "Always" or (policy == "OnFailure" and bool(code))

    async def obtain_image(self, container):
        """Waits until the image is here and the container can be made of it. Tries again and again."""
        name, policy = container.spec["image"], container.spec.get("imagePullPolicy", "IfNotPresent")
        failures = 0
        while not self.over:
            container.image = self.kubelet.images.find((self.kubelet.faults().get("images_named") or {}).get(name, name))
            hang = self.kubelet.faults().get("images_hang") or []
            if name in hang and policy != "Never":
                await asyncio.sleep(RETRY)
                continue
            missing = (self.kubelet.faults().get("images_missing") or []) + hang
            here = container.image and name not in missing and container.image.name not in missing
            if here and container.image.private and not self.may_pull():
                error = UNAUTHORIZED.format(name, name.partition("/")[0])
            elif here:
                self.kubelet.pulled(container.image)
                if self.can_be_made(container):
                    return True
                await asyncio.sleep(RETRY)
                continue
            else:
                error = PULL_ERROR.format(name, name.partition("/")[0])
            if policy == "Never":
                self.wait_with(container, "ErrImageNeverPull",
                               f'Container image "{name}" is not present with pull policy of Never')
            elif not failures:
                self.wait_with(container, "ErrImagePull", error)
            else:
                self.wait_with(container, "ImagePullBackOff", f'Back-off pulling image "{name}": ErrImagePull: {error}')
            failures += 1
            await asyncio.sleep(RETRY)
        return False

    def may_pull(self):
        """A private image wants a secret that there is."""
        return any(self.kubelet.store.get("secrets", self.object["metadata"]["namespace"], secret.get("name"))
                   for secret in self.object["spec"].get("imagePullSecrets") or [])

    def can_be_made(self, container):
        metadata, broken = self.object["metadata"], self.kubelet.faults().get("image_start_error") or []
        if container.spec["image"] in broken or container.image.name in broken:
            self.wait_with(container, "CreateContainerError", START_ERROR)
            return False
        if container.context.get("runAsNonRoot") and not container.context.get("runAsUser", container.image.user):
            self.wait_with(container, "CreateContainerConfigError",
                           "container has runAsNonRoot and image will run as root (pod: "
                           f'"{metadata["name"]}_{metadata["namespace"]}({self.uid})", container: {container.name})')
            return False
        return True

    def wait_with(self, container, reason, message):
        state = {"waiting": {"reason": reason, "message": message}}
        if container.state != state:
            container.state = state
            self.update()

    def is_held(self, container):
        held = self.kubelet.faults().get("hold_starts")
        return held is True or container.name in (held or [])

    async def may_start(self, container):
        """An ephemeral container can be added before the pod has its network: it waits for that, as all others do."""
        while (self.is_held(container) or not (self.pause and self.pause.node_pid)) and not self.over:
            await asyncio.sleep(RETRY / 5)
        return not self.over

    async def run_once(self, container):
        """One start of a container until its end, which its state tells then."""
        container.next_attempt()
        container.starting = True
        before = asyncio.get_running_loop().time()
        try:
            if container.spec["image"] in (self.kubelet.faults().get("start_error") or []):
                raise RuntimeError(f'exec: "{(container.spec.get("command") or [""])[0]}": exec format error')
            if self.kubelet.faults().get("no_spc_t") and (container.context.get("seLinuxOptions") or {}).get("type") == "spc_t":
                raise RuntimeError(NO_SUCH_LABEL)
            root = self.kubelet.images.root(container.image)
            begun = os.path.getsize(container.log) if os.path.exists(container.log) else 0
            await self.in_thread(self.kubelet.runc.start, container, self.config(container), root)
        except (RuntimeError, OSError) as error:
            container.ended(128, reason="StartError", message="failed to create containerd task: failed to create "
                            f"shim task: OCI runtime create failed: runc create failed: {error}")
            container.done.set()
            await self.in_thread(self.kubelet.runc.delete, container)
            return
        finally:
            container.starting = False
        started = now()
        container.state = {"running": {"startedAt": started}}
        self.update()
        code = await self.kubelet.node.init.wait(container.node_pid, before)
        container.pid = None
        container.ended(code, started, message=volumes.last_words(container, begun) if code else None)
        container.done.set()
        await self.in_thread(self.kubelet.runc.delete, container)

    async def tend(self, container):
        """Runs a container, and again, as the restart policy says."""
        if not await self.obtain_image(container):
            return
        while await self.may_start(container):
            await self.run_once(container)
            self.update()
            if not self.restarts_after(container):
                self.finish_if_done()
                return
            pause = BACK_OFF[min(container.restarts, len(BACK_OFF) - 1)]
            container.last = container.state
            if container.last["terminated"]["reason"] == "StartError":
                self.wait_with(container, "RunContainerError", container.last["terminated"]["message"])
                await asyncio.sleep(RETRY)
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
                self.containers.append(Container(self, entry, kind))
        self.update()
        self.tasks.append(asyncio.ensure_future(self.end_at_deadline()))
        if self.empty_dirs.is_limited():
            self.tasks.append(self.watched(self.end_when_too_large()))
        while (self.kubelet.faults().get("hold_pods") or list(self.missing_volumes())) and not self.over:
            await asyncio.sleep(RETRY / 5)
        if self.over:
            return
        if self.host_network:
            self.netns, self.address = self.kubelet.network.node, self.kubelet.node.address
        else:
            self.netns, self.address = await self.in_thread(self.kubelet.network.add_pod)
        self.paused = asyncio.get_running_loop().time()
        self.pause = Container(self, {"name": "", "image": PAUSE}, "sandbox")
        root = self.kubelet.images.root(self.pause.image)
        await self.in_thread(self.kubelet.runc.start, self.pause, self.config(self.pause), root)
        self.update()
        for container in [c for c in self.containers if c.kind == "init"]:
            await self.tend(container)
            if container.state.get("terminated", {}).get("exitCode") != 0:
                return
        for container in [c for c in self.containers if c.kind == "regular"]:
            container.task = self.watched(self.tend(container))
            self.tasks.append(container.task)

    def watched(self, coroutine):
        """A task whose failure is told, unless the pod is just being taken away under it."""
        def done(task):
            if not task.cancelled() and task.exception() and not self.deleted:
                self.kubelet.fail(task.exception())
        task = asyncio.ensure_future(coroutine)
        task.add_done_callback(done)
        return task

    def add_ephemeral(self, spec):
        container = Container(self, spec, "ephemeral")
        self.containers.append(container)
        container.task = self.watched(self.tend(container))
        self.tasks.append(container.task)
        self.update()

    async def end_at_deadline(self):
        """The deadline may be given, or changed, while the pod runs."""
        started = asyncio.get_running_loop().time()
        while self.object["status"].get("phase") not in ("Succeeded", "Failed"):
            age = asyncio.get_running_loop().time() - started
            if age >= (self.object["spec"].get("activeDeadlineSeconds") or math.inf):
                break
            await asyncio.sleep(0.1)
        else:
            return
        await self.give_up("DeadlineExceeded", "Pod was active on the node longer than the specified deadline",
                        self.object["spec"].get("terminationGracePeriodSeconds", MAX_GRACE))

    async def end_when_too_large(self):
        """A kubelet looks from time to time."""
        why = None
        while not why:
            await asyncio.sleep(volumes.LOOK)
            if self.over or self.object["status"].get("phase") in ("Succeeded", "Failed"):
                return
            why = await self.in_thread(self.empty_dirs.why_evicted)
        await self.give_up("Evicted", why, 0)

    async def give_up(self, reason, message, grace):
        """The end of the whole pod, by the kubelet."""
        if self.over:
            return
        self.object["status"].update(phase="Failed", reason=reason, message=message)
        await self.settled()
        await self.stop(grace)
        if all(c.state.get("terminated", {}).get("exitCode") == 0 for c in self.containers if c.kind == "init"):
            for container in [c for c in self.containers if c.kind == "regular" and "waiting" in c.state]:
                container.state = {"terminated": NEVER_RAN}
        self.update()
        self.finish_if_done()

    def shorten(self, grace):
        self.kill_at = min(self.kill_at, asyncio.get_running_loop().time() + min(grace, MAX_GRACE))

    async def stop(self, grace):
        """SIGTERM, then SIGKILL, to everything that runs."""
        running = [c for c in self.containers if c.running]
        self.shorten(grace)
        if grace:
            for container in running:
                await self.in_thread(self.kubelet.runc.kill, container, "TERM")
            while (any(not c.done.is_set() for c in running) and
                   asyncio.get_running_loop().time() < self.kill_at):
                await asyncio.sleep(0.02)
        for container in running:
            if not container.done.is_set():
                await self.in_thread(self.kubelet.runc.kill, container, "KILL")
        for container in running:
            await container.done.wait()

    async def settled(self):
        """Waits for what is just being started: what that makes must be there to be removed."""
        task = self.kubelet.tasks[self.uid]
        while not task.done() and not (self.pause and self.pause.node_pid) and not self.ending:
            await asyncio.wait([task], timeout=0.02)
        while any(c.starting for c in self.containers):
            await asyncio.sleep(0.02)

    async def delete(self, grace):
        self.deleted = True
        await self.settled()
        await self.stop(grace)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.update()
        for container in self.containers:
            await self.in_thread(self.kubelet.runc.delete, container)
        self.ending = self.ending or asyncio.ensure_future(self.end_sandbox())
        await self.ending
        await self.in_thread(self.kubelet.cgroups.remove, self.uid, self.quality)
        shutil.rmtree(self.directory, ignore_errors=True)

    def finish_if_done(self):
        """A pod that has ended keeps its logs, and nothing that runs."""
        if self.object["status"].get("phase") in ("Succeeded", "Failed") and not self.ending:
            self.ending = asyncio.ensure_future(self.end_sandbox())

    async def end_sandbox(self):
        """Ends what still runs (ephemeral containers, perhaps), the pod's own process, and its network."""
        await self.stop(0)
        if self.pause and self.pause.node_pid:
            pid, self.pause.node_pid = self.pause.node_pid, None
            await self.in_thread(self.kubelet.runc.delete, self.pause)
            await self.kubelet.node.init.wait(pid, self.paused)
        if self.netns and not self.host_network:
            name, self.netns = self.netns, None
            await self.in_thread(self.kubelet.network.remove_pod, name)
        await self.in_thread(self.empty_dirs.remove)

    def abandon(self):
        """Its node goes, and all that runs with it."""
        self.deleted = True
        for task in self.tasks:
            task.cancel()

    # ---- for tests ----

    def describe(self):
        outside = self.kubelet.node.init.outside
        return {
            "namespace": self.object["metadata"]["namespace"], "name": self.object["metadata"]["name"],
            "uid": self.uid, "ip": self.address, "netns": self.netns, "node": self.kubelet.node.name,
            "sandbox": {"pid": self.pause and self.pause.pid, "id": self.pause and self.pause.id},
            "containers": {c.name: {"pid": c.pid, "node_pid": c.node_pid, "id": c.id, "rootfs": outside(c.bundle + "/rootfs")}
                           for c in self.containers}}
