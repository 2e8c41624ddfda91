package sdk

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/errdefs"
)

var networkInspect = network.InspectOptions{}

func networkOptions(name string) network.ListOptions {
	return network.ListOptions{Filters: filters.NewArgs(filters.Arg("name", name))}
}

func readArchive(t *testing.T, from io.Reader) map[string]string {
	t.Helper()
	files := map[string]string{}
	archive := tar.NewReader(from)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		must(t, err)
		content, err := io.ReadAll(archive)
		must(t, err)
		files[strings.TrimPrefix(header.Name, "./")] = string(content)
	}
}

func archiveOf(t *testing.T, files map[string]string) io.Reader {
	t.Helper()
	var made bytes.Buffer
	archive := tar.NewWriter(&made)
	for name, content := range files {
		header := &tar.Header{Name: name, Mode: 0o640, Uid: 12, Gid: 34, Size: int64(len(content)), ModTime: time.Unix(1000000, 0)}
		must(t, archive.WriteHeader(header))
		_, err := archive.Write([]byte(content))
		must(t, err)
	}
	must(t, archive.Close())
	return &made
}

func TestFilesAreCopiedInAndOut(t *testing.T) {
	api, ctx := connect(t)
	for name, id := range map[string]string{
		"running": sleeping(t, api, nil),
		"stopped": create(t, api, &container.Config{Cmd: []string{"true"}}, nil),
	} {
		files := archiveOf(t, map[string]string{"copied": "into a " + name + " one\n"})
		must(t, api.CopyToContainer(ctx, id, "/tmp", files, container.CopyToContainerOptions{}))
		stat, err := api.ContainerStatPath(ctx, id, "/tmp/copied")
		must(t, err)
		equal(t, "mode", stat.Mode, os.FileMode(0o640))
		out, described, err := api.CopyFromContainer(ctx, id, "/tmp/copied")
		must(t, err)
		equal(t, "name", described.Name, "copied")
		equal(t, "content", readArchive(t, out)["copied"], "into a "+name+" one\n")
		out.Close()
		if _, err := api.ContainerStatPath(ctx, id, "/nowhere"); !errdefs.IsNotFound(err) {
			t.Fatalf("stat of nothing: %v", err)
		}
	}
}

func TestVolumesAreCreatedListedUsedAndPruned(t *testing.T) {
	api, ctx := connect(t)
	made, err := api.VolumeCreate(ctx, volume.CreateOptions{Name: "go-data", Labels: map[string]string{"of": "go"}})
	must(t, err)
	equal(t, "driver", made.Driver, "local")
	list, err := api.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "of=go"))})
	must(t, err)
	equal(t, "listed", len(list.Volumes), 1)
	id := create(t, api, &container.Config{Cmd: []string{"sh", "-c", "echo kept >/data/file"}},
		&container.HostConfig{Binds: []string{"go-data:/data"}})
	start(t, api, id)
	exitCode(t, api, id)
	if err := api.VolumeRemove(ctx, "go-data", false); !errdefs.IsConflict(err) {
		t.Fatalf("removal of what is in use: %v", err)
	}
	must(t, api.ContainerRemove(ctx, id, container.RemoveOptions{RemoveVolumes: true}))
	inspected, err := api.VolumeInspect(ctx, "go-data")
	must(t, err)
	equal(t, "mountpoint", inspected.Mountpoint, made.Mountpoint)
	anonymous, err := api.VolumeCreate(ctx, volume.CreateOptions{})
	must(t, err)
	report, err := api.VolumesPrune(ctx, filters.NewArgs())
	must(t, err)
	equal(t, "pruned", strings.Join(report.VolumesDeleted, " "), anonymous.Name)
	must(t, api.VolumeRemove(ctx, "go-data", false))
	if _, err := api.VolumeInspect(ctx, "go-data"); !errdefs.IsNotFound(err) {
		t.Fatalf("after the removal: %v", err)
	}
}

func TestMountsOfEveryKindAreSeenFromInside(t *testing.T) {
	api, ctx := connect(t)
	host := t.TempDir()
	must(t, os.WriteFile(host+"/file", []byte("of the host\n"), 0o644))
	id := create(t, api, &container.Config{Cmd: []string{"sh", "-c", "cat /bind/file; ls /image/bin/busybox; touch /volume/x; stat -f -c %T /memory; touch /bind/x 2>/dev/null || echo read-only"}},
		&container.HostConfig{Mounts: []mount.Mount{
			{Type: mount.TypeBind, Source: host, Target: "/bind", ReadOnly: true},
			{Type: mount.TypeVolume, Target: "/volume", VolumeOptions: &mount.VolumeOptions{Labels: map[string]string{"a": "b"}}},
			{Type: mount.TypeTmpfs, Target: "/memory", TmpfsOptions: &mount.TmpfsOptions{SizeBytes: 1 << 20}},
			{Type: mount.TypeImage, Source: imageName, Target: "/image"},
		}})
	start(t, api, id)
	equal(t, "exit code", exitCode(t, api, id), 0)
	logs, err := api.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true})
	must(t, err)
	out, _ := demux(t, logs)
	equal(t, "seen", out, "of the host\n/image/bin/busybox\ntmpfs\nread-only\n")
	details, err := api.ContainerInspect(ctx, id)
	must(t, err)
	equal(t, "mounts", len(details.Mounts), 4)
}
