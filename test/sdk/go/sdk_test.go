// The Go SDK as its users know it (github.com/docker/docker/client), against the engine that DOCKER_HOST names.
package sdk

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
)

// The image that the tests run, by name.
var imageName = os.Getenv("SDK_IMAGE")

func connect(t *testing.T) (*client.Client, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	api, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	must(t, err)
	t.Cleanup(func() { api.Close() })
	return api, ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func eventually(t *testing.T, what string, probe func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if probe() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

// create makes a container that goes with the test.
func create(t *testing.T, api *client.Client, config *container.Config, host *container.HostConfig) string {
	t.Helper()
	config.Image = imageName
	made, err := api.ContainerCreate(context.Background(), config, host, nil, nil, "")
	must(t, err)
	t.Cleanup(func() {
		options := container.RemoveOptions{Force: true, RemoveVolumes: true}
		if err := api.ContainerRemove(context.Background(), made.ID, options); err != nil && !client.IsErrNotFound(err) {
			t.Error(err)
		}
	})
	return made.ID
}

func start(t *testing.T, api *client.Client, id string) {
	t.Helper()
	must(t, api.ContainerStart(context.Background(), id, container.StartOptions{}))
}

// sleeping starts a container that does nothing for long.
func sleeping(t *testing.T, api *client.Client, host *container.HostConfig) string {
	t.Helper()
	id := create(t, api, &container.Config{Cmd: []string{"sleep", "1000"}}, host)
	start(t, api, id)
	return id
}

func exitCode(t *testing.T, api *client.Client, id string) int64 {
	t.Helper()
	done, failed := api.ContainerWait(context.Background(), id, container.WaitConditionNotRunning)
	select {
	case result := <-done:
		return result.StatusCode
	case err := <-failed:
		t.Fatal(err)
	case <-time.After(30 * time.Second):
		t.Fatal("the container never ends")
	}
	return -1
}

// demux reads both streams of a container without a terminal.
func demux(t *testing.T, from io.Reader) (string, string) {
	t.Helper()
	var out, err bytes.Buffer
	_, problem := stdcopy.StdCopy(&out, &err, from)
	must(t, problem)
	return out.String(), err.String()
}

func TestPingNegotiatesTheNewestVersionThatBothKnow(t *testing.T) {
	api, ctx := connect(t)
	ping, err := api.Ping(ctx)
	must(t, err)
	equal(t, "OSType", ping.OSType, "linux")
	equal(t, "version", api.ClientVersion(), "1.51")
	version, err := api.ServerVersion(ctx)
	must(t, err)
	equal(t, "APIVersion", version.APIVersion, ping.APIVersion)
	info, err := api.Info(ctx)
	must(t, err)
	if info.NCPU < 1 || info.MemTotal < 1 || len(info.Plugins.Volume) == 0 {
		t.Fatalf("info: %+v", info)
	}
}

func TestImagesArePulledListedTaggedAndRemoved(t *testing.T) {
	api, ctx := connect(t)
	progress, err := api.ImagePull(ctx, imageName, image.PullOptions{})
	must(t, err)
	text, err := io.ReadAll(progress)
	must(t, err)
	if !strings.Contains(string(text), `"status":"Status: `) {
		t.Fatalf("progress: %s", text)
	}
	must(t, api.ImageTag(ctx, imageName, "localhost/go-sdk:one"))
	list, err := api.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("reference", "localhost/go-sdk"))})
	must(t, err)
	equal(t, "listed", len(list), 1)
	inspected, err := api.ImageInspect(ctx, "localhost/go-sdk:one")
	must(t, err)
	equal(t, "id", inspected.ID, list[0].ID)
	history, err := api.ImageHistory(ctx, imageName)
	must(t, err)
	if history == nil {
		t.Fatal("no history")
	}
	_, err = api.ImageRemove(ctx, "localhost/go-sdk:one", image.RemoveOptions{})
	must(t, err)
	if _, err = api.ImageInspect(ctx, "localhost/go-sdk:one"); !client.IsErrNotFound(err) {
		t.Fatalf("after the removal: %v", err)
	}
}

func TestEventsTellOfALifeInOrder(t *testing.T) {
	api, ctx := connect(t)
	since := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	messages, failed := api.Events(ctx, events.ListOptions{Filters: filters.NewArgs(filters.Arg("type", "container"))})
	id := create(t, api, &container.Config{Cmd: []string{"true"}, Labels: map[string]string{"a": "b"}}, nil)
	start(t, api, id)
	exitCode(t, api, id)
	must(t, api.ContainerRemove(ctx, id, container.RemoveOptions{}))
	for _, want := range []events.Action{"create", "start", "die", "destroy"} {
		select {
		case message := <-messages:
			equal(t, "action", message.Action, want)
			equal(t, "id", message.Actor.ID, id)
			equal(t, "label", message.Actor.Attributes["a"], "b")
			if message.TimeNano < since.UnixNano() {
				t.Fatalf("%v is before the beginning", message.TimeNano)
			}
		case err := <-failed:
			t.Fatal(err)
		}
	}
}

func TestNetworksAreListed(t *testing.T) {
	api, ctx := connect(t)
	list, err := api.NetworkList(ctx, networkOptions("bridge"))
	must(t, err)
	equal(t, "networks", len(list), 1)
	details, err := api.NetworkInspect(ctx, list[0].ID, networkInspect)
	must(t, err)
	equal(t, "name", details.Name, "bridge")
}
