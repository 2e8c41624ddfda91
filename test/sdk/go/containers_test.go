package sdk

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
	"github.com/docker/docker/errdefs"
	"github.com/docker/go-connections/nat"
)

func TestAContainerIsCreatedInspectedListedAndRemoved(t *testing.T) {
	api, ctx := connect(t)
	config := &container.Config{
		Cmd:          []string{"sleep", "1000"},
		Env:          []string{"A=b"},
		Labels:       map[string]string{"of": "go"},
		ExposedPorts: nat.PortSet{"80/tcp": {}},
		StopSignal:   "SIGKILL",
	}
	host := &container.HostConfig{
		PortBindings:  nat.PortMap{"80/tcp": {{HostIP: "127.0.0.1", HostPort: "0"}}},
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyOnFailure, MaximumRetryCount: 2},
		Resources:     container.Resources{Memory: 64 << 20, NanoCPUs: 500_000_000},
	}
	id := create(t, api, config, host)
	start(t, api, id)
	details, err := api.ContainerInspect(ctx, id)
	must(t, err)
	equal(t, "state", details.State.Status, container.StateRunning)
	equal(t, "memory", details.HostConfig.Memory, 64<<20)
	if port := details.NetworkSettings.Ports["80/tcp"]; len(port) == 0 || port[0].HostPort == "0" {
		t.Fatalf("port: %v", port)
	}
	options := container.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "of=go"))}
	list, err := api.ContainerList(ctx, options)
	must(t, err)
	equal(t, "listed", len(list), 1)
	must(t, api.ContainerRename(ctx, id, "go-renamed"))
	_, err = api.ContainerUpdate(ctx, id, container.UpdateConfig{Resources: container.Resources{CPUShares: 128}})
	must(t, err)
	must(t, api.ContainerPause(ctx, "go-renamed"))
	must(t, api.ContainerUnpause(ctx, id))
	top, err := api.ContainerTop(ctx, id, nil)
	must(t, err)
	equal(t, "processes", len(top.Processes), 1)
	seconds := 1
	must(t, api.ContainerRestart(ctx, id, container.StopOptions{Timeout: &seconds}))
	must(t, api.ContainerStop(ctx, id, container.StopOptions{Timeout: &seconds}))
	equal(t, "exit code", exitCode(t, api, id), 137)
	must(t, api.ContainerRemove(ctx, id, container.RemoveOptions{}))
	_, err = api.ContainerInspect(ctx, id)
	if !client.IsErrNotFound(err) {
		t.Fatalf("after the removal: %v", err)
	}
}

func TestErrorsHaveTheirKinds(t *testing.T) {
	api, ctx := connect(t)
	if err := api.ContainerStart(ctx, "nobody", container.StartOptions{}); !errdefs.IsNotFound(err) {
		t.Fatalf("start of nobody: %v", err)
	}
	id := create(t, api, &container.Config{Cmd: []string{"true"}}, nil)
	if err := api.ContainerKill(ctx, id, "KILL"); !errdefs.IsConflict(err) {
		t.Fatalf("kill of what does not run: %v", err)
	}
	config := &container.Config{Image: imageName, Cmd: []string{"true"}, WorkingDir: "relative"}
	if _, err := api.ContainerCreate(ctx, config, nil, nil, nil, ""); !errdefs.IsInvalidParameter(err) {
		t.Fatalf("a relative directory: %v", err)
	}
	config = &container.Config{Image: "localhost/never-heard-of", Cmd: []string{"true"}}
	if _, err := api.ContainerCreate(ctx, config, nil, nil, nil, ""); !client.IsErrNotFound(err) {
		t.Fatalf("no such image: %v", err)
	}
}

func TestLogsComeApartAndAreFollowed(t *testing.T) {
	api, ctx := connect(t)
	script := "echo out; echo err >&2; read line; echo last"
	id := create(t, api, &container.Config{Cmd: []string{"sh", "-c", script}, OpenStdin: true, StdinOnce: true}, nil)
	attached, err := api.ContainerAttach(ctx, id, container.AttachOptions{Stream: true, Stdin: true})
	must(t, err)
	start(t, api, id)
	followed, err := api.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Follow: true})
	must(t, err)
	defer followed.Close()
	_, err = attached.Conn.Write([]byte("go\n"))
	must(t, err)
	attached.Close()
	out, problems := demux(t, followed)
	equal(t, "stdout", out, "out\nlast\n")
	equal(t, "stderr", problems, "err\n")
	tail, err := api.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, Tail: "1", Timestamps: true})
	must(t, err)
	out, _ = demux(t, tail)
	if !strings.HasSuffix(out, "Z last\n") {
		t.Fatalf("tail: %q", out)
	}
}

func TestAttachCarriesInputAndOutput(t *testing.T) {
	api, ctx := connect(t)
	id := create(t, api, &container.Config{Cmd: []string{"cat"}, OpenStdin: true, StdinOnce: true}, nil)
	attached, err := api.ContainerAttach(ctx, id, container.AttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	must(t, err)
	start(t, api, id)
	sent := strings.Repeat("a line of some length\n", 10_000)
	go func() {
		io.WriteString(attached.Conn, sent)
		attached.CloseWrite()
	}()
	out, _ := demux(t, attached.Reader)
	equal(t, "bytes", len(out), len(sent))
	equal(t, "exit code", exitCode(t, api, id), 0)
}

func TestExecRunsWithInputUserAndExitCode(t *testing.T) {
	api, ctx := connect(t)
	id := sleeping(t, api, nil)
	exec := func(options container.ExecOptions, input string) (string, string, int) {
		made, err := api.ContainerExecCreate(ctx, id, options)
		must(t, err)
		stream, err := api.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{Tty: options.Tty})
		must(t, err)
		defer stream.Close()
		if options.AttachStdin {
			io.WriteString(stream.Conn, input)
			stream.CloseWrite()
		}
		out, problems := demux(t, stream.Reader)
		result, err := api.ContainerExecInspect(ctx, made.ID)
		must(t, err)
		equal(t, "still running", result.Running, false)
		return out, problems, result.ExitCode
	}
	script := []string{"sh", "-c", "cat; id -u >&2; echo $A; pwd; exit 3"}
	options := container.ExecOptions{Cmd: script, AttachStdin: true, AttachStdout: true, AttachStderr: true, User: "1000"}
	options.Env, options.WorkingDir = []string{"A=b"}, "/tmp"
	out, problems, code := exec(options, "typed\n")
	equal(t, "stdout", out, "typed\nb\n/tmp\n")
	equal(t, "stderr", problems, "1000\n")
	equal(t, "exit code", code, 3)
	made, err := api.ContainerExecCreate(ctx, id, container.ExecOptions{Cmd: []string{"touch", "/tmp/mark"}})
	must(t, err)
	must(t, api.ContainerExecStart(ctx, made.ID, container.ExecStartOptions{Detach: true}))
	eventually(t, "the detached exec has run", func() bool {
		_, err := api.ContainerStatPath(ctx, id, "/tmp/mark")
		return err == nil
	})
}

func TestATerminalHasTheSizeThatIsAskedFor(t *testing.T) {
	api, ctx := connect(t)
	id := create(t, api, &container.Config{Cmd: []string{"sh"}, Tty: true, OpenStdin: true}, nil)
	attached, err := api.ContainerAttach(ctx, id, container.AttachOptions{Stream: true, Stdin: true, Stdout: true})
	must(t, err)
	defer attached.Close()
	start(t, api, id)
	must(t, api.ContainerResize(ctx, id, container.ResizeOptions{Height: 40, Width: 100}))
	io.WriteString(attached.Conn, "stty size; exit\n")
	lines := bufio.NewScanner(attached.Reader)
	for lines.Scan() {
		if strings.TrimSpace(lines.Text()) == "40 100" {
			return
		}
	}
	t.Fatal("no size was told")
}

func TestStatsAreSampledAndStreamed(t *testing.T) {
	api, ctx := connect(t)
	id := sleeping(t, api, &container.HostConfig{Resources: container.Resources{Memory: 32 << 20}})
	once, err := api.ContainerStatsOneShot(ctx, id)
	must(t, err)
	defer once.Body.Close()
	var sample container.StatsResponse
	must(t, json.NewDecoder(once.Body).Decode(&sample))
	equal(t, "limit", sample.MemoryStats.Limit, 32<<20)
	stream, err := api.ContainerStats(ctx, id, true)
	must(t, err)
	defer stream.Body.Close()
	decoder := json.NewDecoder(stream.Body)
	var first, second container.StatsResponse
	must(t, decoder.Decode(&first))
	must(t, decoder.Decode(&second))
	if !second.Read.After(first.Read) || !second.PreRead.Equal(first.Read) {
		t.Fatalf("samples of %v and %v after %v", first.Read, second.Read, second.PreRead)
	}
}

func TestChangesAndExportShowWhatTheContainerHasWritten(t *testing.T) {
	api, ctx := connect(t)
	id := create(t, api, &container.Config{Cmd: []string{"sh", "-c", "echo new >/tmp/new; rm /etc/group"}}, nil)
	start(t, api, id)
	exitCode(t, api, id)
	changes, err := api.ContainerDiff(ctx, id)
	must(t, err)
	kinds := map[string]container.ChangeType{}
	for _, change := range changes {
		kinds[change.Path] = change.Kind
	}
	equal(t, "/tmp/new", kinds["/tmp/new"], container.ChangeAdd)
	equal(t, "/etc/group", kinds["/etc/group"], container.ChangeDelete)
	archive, err := api.ContainerExport(ctx, id)
	must(t, err)
	defer archive.Close()
	var whole bytes.Buffer
	_, err = io.Copy(&whole, archive)
	must(t, err)
	files := readArchive(t, &whole)
	equal(t, "exported", files["tmp/new"], "new\n")
}

func TestPruneRemovesWhatHasEnded(t *testing.T) {
	api, ctx := connect(t)
	id := create(t, api, &container.Config{Cmd: []string{"true"}, Labels: map[string]string{"prune": "me"}}, nil)
	report, err := api.ContainersPrune(ctx, filters.NewArgs(filters.Arg("label", "prune=me")))
	must(t, err)
	equal(t, "removed", strings.Join(report.ContainersDeleted, " "), id)
}
