"""An engine as users of docker-py meet it. usage: docker-py.py <socket> <image>; a check that fails ends the program."""
import faulthandler
import io
import sys
import tarfile
import tempfile
import threading
import time

import docker

faulthandler.dump_traceback_later(100, exit=True)
socket, image = sys.argv[1], sys.argv[2]
client = docker.DockerClient(base_url=f"unix://{socket}", version="auto", timeout=20)
api = client.api


def eventually(what, probe, limit=10.0):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        value = probe()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"never within {limit} s: {what}")


def raises(kind, status, call):
    try:
        call()
    except kind as error:
        assert error.status_code == status, error
        return error
    raise AssertionError(f"{kind.__name__} {status} was expected")


def check_system():
    assert client.ping()
    assert client.version()["ApiVersion"]
    info = client.info()
    assert info["OSType"] == "linux" and info["Driver"]


def check_images():
    pulled = client.images.pull(image, tag="latest")
    assert f"{image}:latest" in pulled.tags, pulled.tags
    steps = list(api.pull(image, tag="latest", stream=True, decode=True))
    assert any("up to date" in step.get("status", "") for step in steps), steps
    assert pulled.tag("localhost/other", tag="v1")
    assert "localhost/other:v1" in client.images.get("localhost/other:v1").tags
    assert [one.id for one in client.images.list(name="localhost/other")] == [pulled.id]
    assert client.images.list(filters={"reference": "localhost/*"})
    assert isinstance(pulled.history(), list)
    client.images.remove("localhost/other:v1")
    raises(docker.errors.ImageNotFound, 404, lambda: client.images.get("localhost/other:v1"))
    raises(docker.errors.NotFound, 404, lambda: client.images.pull(f"{image}-missing", tag="x"))


def check_run():
    out = client.containers.run(image, ["sh", "-c", "echo out; echo err >&2"], remove=True, stdout=True, stderr=True)
    assert sorted(out.split(b"\n")) == [b"", b"err", b"out"], out
    try:
        client.containers.run(image, ["sh", "-c", "echo bad >&2; exit 3"], remove=True)
        raise AssertionError("a failed run must raise")
    except docker.errors.ContainerError as error:
        assert error.exit_status == 3 and b"bad" in error.stderr, error
    raises(docker.errors.APIError, 400, lambda: client.containers.run(image, "no-such-program"))
    for left in client.containers.list(all=True):
        left.remove(force=True)


def check_life():
    events = client.events(decode=True, filters={"type": "container"})
    seen = []
    thread = threading.Thread(target=lambda: seen.extend((e["Action"], e["Actor"]["ID"]) for e in events), daemon=True)
    thread.start()
    container = client.containers.create(
        image,
        ["sh", "-c", "echo $GREETING; while :; do sleep 0.05; done"],
        name="life",
        environment={"GREETING": "hello"},
        labels={"of": "test"},
        ports={"80/tcp": None, "81/udp": ("127.0.0.1", 18181)},
        volumes={"life-data": {"bind": "/data", "mode": "rw"}},
        tmpfs={"/scratch": "size=1m"},
        mem_limit="64m",
        restart_policy={"Name": "on-failure", "MaximumRetryCount": 1},
        stop_signal="SIGKILL",
    )
    assert container.status == "created"
    container.start()
    container.reload()
    assert container.status == "running" and container.name == "life"
    assert container.ports["81/udp"] == [{"HostIp": "127.0.0.1", "HostPort": "18181"}], container.ports
    assert int(container.ports["80/tcp"][0]["HostPort"]) > 0
    eventually("it has logged", lambda: container.logs() == b"hello\n")
    assert container.logs(timestamps=True, tail=1).endswith(b"Z hello\n")
    assert container.attrs["Config"]["Labels"] == {"of": "test"}
    assert [m["Destination"] for m in container.attrs["Mounts"]] == ["/data"]
    assert [one.id for one in client.containers.list(filters={"label": "of=test", "status": "running"})] == [container.id]
    assert client.containers.list(filters={"name": "nobody"}) == []

    code, output = container.exec_run(["sh", "-c", "echo $A; id -u; exit 4"], environment={"A": "b"}, user="1000")
    assert (code, output) == (4, b"b\n1000\n"), (code, output)
    code, (out, err) = container.exec_run(["sh", "-c", "echo o; echo e >&2"], demux=True)
    assert (code, out, err) == (0, b"o\n", b"e\n")
    assert b"".join(container.exec_run("echo streamed", stream=True).output) == b"streamed\n"
    _, sock = container.exec_run("cat", stdin=True, socket=True)
    sock._sock.sendall(b"typed\n")
    assert sock.read(8 + 6)[8:] == b"typed\n"
    sock.close()

    assert container.stats(stream=False)["memory_stats"]["limit"] == 64 << 20
    stream = container.stats(decode=True)
    assert next(stream)["id"] == next(stream)["id"] == container.id
    stream.close()
    assert any("sleep" in " ".join(row) or "sh" in " ".join(row) for row in container.top()["Processes"])
    container.pause()
    container.reload()
    assert container.status == "paused"
    container.unpause()
    container.rename("renamed")
    assert client.containers.get("renamed").id == container.id
    assert container.update(cpu_shares=128, restart_policy={"Name": "no"})["Warnings"] in (None, [])
    container.restart(timeout=0)
    container.reload()
    assert container.status == "running"
    container.kill(signal="KILL")
    assert container.wait()["StatusCode"] == 137
    raises(docker.errors.APIError, 409, container.kill)
    raises(docker.errors.APIError, 409, lambda: container.exec_run("true"))
    container.start()
    container.stop(timeout=1)
    assert container.wait(condition="not-running")["StatusCode"] == 137
    container.remove(v=True)
    raises(docker.errors.NotFound, 404, lambda: client.containers.get(container.id))

    eventually("destroy is told", lambda: ("destroy", container.id) in seen)
    actions = [action for action, _ in seen]
    for action in ["create", "start", "die", "pause", "unpause", "rename", "restart", "kill", "stop", "destroy"]:
        assert action in actions, (action, actions)
    assert any(action.startswith("exec_create: ") for action in actions)
    events.close()


def check_streams():
    container = client.containers.create(image, "cat", stdin_open=True, name="streams")
    sock = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    container.start()
    sock._sock.sendall(b"through\n")
    assert sock.read(8 + 8)[8:] == b"through\n"
    sock.close()
    container.remove(force=True)

    container = client.containers.run(image, ["sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done"], detach=True)
    assert b"".join(container.logs(stream=True, follow=True)) == b"1\n2\n3\n"
    assert container.wait()["StatusCode"] == 0
    assert container.logs(tail=2) == b"2\n3\n"
    assert container.logs(since=int(time.time()) + 100) == b""
    # The library loses what comes together with the answer's head: it reads the socket past its own buffer.
    assert any(container.attach(logs=True) == b"1\n2\n3\n" for _ in range(10))
    container.remove()

    container = client.containers.run(image, ["sh", "-c", "stty size; sleep 1000"], detach=True, tty=True)
    container.resize(height=40, width=100)
    _, size = container.exec_run("stty size", tty=True)
    assert size.strip(), size
    container.remove(force=True)


def archive_of(files):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.uid, entry.mtime = len(content), mode, 1000, 1000000
            archive.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def check_archive():
    container = client.containers.run(image, ["sleep", "1000"], detach=True)
    for state in ["running", "stopped"]:
        assert container.put_archive("/tmp", archive_of({f"{state}.txt": (b"content", 0o640)}))
        chunks, stat = container.get_archive(f"/tmp/{state}.txt")
        assert (stat["name"], stat["size"], stat["mode"]) == (f"{state}.txt", 7, 0o640), stat
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
            [entry] = archive.getmembers()
            assert (entry.name, entry.uid, entry.mtime) == (f"{state}.txt", 1000, 1000000), entry.get_info()
            assert archive.extractfile(entry).read() == b"content"
        raises(docker.errors.NotFound, 404, lambda: container.get_archive("/nowhere"))
        raises(docker.errors.NotFound, 404, lambda: container.put_archive("/nowhere", archive_of({})))
        if state == "running":
            container.kill()
            container.wait()
    changed = {change["Path"]: change["Kind"] for change in container.diff()}
    assert changed["/tmp/running.txt"] == 1, changed
    with tarfile.open(fileobj=io.BytesIO(b"".join(container.export()))) as archive:
        assert "tmp/stopped.txt" in archive.getnames()
    container.remove()


def check_volumes():
    data = client.volumes.create("py-data", driver="local", labels={"of": "py"})
    assert data.attrs["Labels"] == {"of": "py"} and data.attrs["Scope"] == "local", data.attrs
    assert client.volumes.create("py-data").id == data.id
    client.volumes.create("py-memory", driver_opts={"type": "tmpfs", "device": "tmpfs", "o": "size=1m"})
    assert [one.name for one in client.volumes.list(filters={"label": "of=py"})] == ["py-data"]
    out = client.containers.run(
        image,
        ["sh", "-c", "echo kept >/data/file; stat -f -c %T /memory; ls -a /anonymous | wc -l"],
        volumes={"py-data": {"bind": "/data", "mode": "rw"}, "py-memory": {"bind": "/memory", "mode": "ro"}},
        mounts=[docker.types.Mount("/anonymous", None, type="volume", no_copy=True)],
        remove=True,
    )
    assert out == b"tmpfs\n2\n", out
    user = client.containers.create(image, ["cat", "/data/file"], volumes=["py-data:/data:ro"])
    error = raises(docker.errors.APIError, 409, data.remove)
    assert user.id in error.explanation, error
    user.start()
    user.wait()
    assert user.logs() == b"kept\n"
    heir = client.containers.create(image, "true", volumes_from=[f"{user.id}:ro"])
    [inherited] = heir.attrs["Mounts"] or client.containers.get(heir.id).attrs["Mounts"]
    assert (inherited["Name"], inherited["RW"]) == ("py-data", False), inherited
    heir.remove()
    user.remove(v=True)
    assert len(client.volumes.prune()["VolumesDeleted"]) == 1  # the library removes without the anonymous ones
    assert client.volumes.prune()["VolumesDeleted"] == []
    client.volumes.get("py-memory").remove()
    data.remove()
    raises(docker.errors.NotFound, 404, lambda: client.volumes.get("py-data"))
    assert client.volumes.list(filters={"name": "py-"}) == []


def check_mounts():
    Mount = docker.types.Mount
    with tempfile.TemporaryDirectory() as host:
        with open(f"{host}/file", "w") as file:
            file.write("of the host\n")
        script = "cat /host/file; touch /host/x || echo read-only; stat -f -c %T /memory; stat -c %a /memory"
        out = client.containers.run(
            image,
            ["sh", "-c", script],
            mounts=[
                Mount("/host", host, type="bind", read_only=True, propagation="rprivate"),
                Mount("/memory", None, type="tmpfs", tmpfs_size="64k", tmpfs_mode=0o1770),
            ],
            remove=True,
        )
        assert out == b"of the host\nread-only\ntmpfs\n1770\n", out
    missing = Mount("/host", "/nowhere/at/all", type="bind")
    error = raises(docker.errors.APIError, 400, lambda: client.containers.create(image, "true", mounts=[missing]))
    assert "bind source path does not exist: /nowhere/at/all" in error.explanation, error


def check_events():
    since = time.time()
    client.volumes.create("py-told").remove()
    told = client.events(since=since, until=time.time() + 1, decode=True, filters={"type": "volume"})
    assert [(one["Action"], one["Actor"]["ID"]) for one in told] == [("create", "py-told"), ("destroy", "py-told")]


def check_prune():
    client.containers.create(image, "true", labels={"prune": "me"})
    pruned = client.containers.prune(filters={"label": "prune=me"})
    assert len(pruned["ContainersDeleted"]) == 1, pruned
    assert client.containers.list(all=True) == []
    assert [network.name for network in client.networks.list(names=["bridge"])] == ["bridge"]


for check in [check_system, check_images, check_run, check_life, check_streams, check_archive, check_volumes, check_mounts, check_events, check_prune]:
    check()
    print(check.__name__, flush=True)
