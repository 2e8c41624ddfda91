// Command lines that only read, or that are wrong: what client-parity.test.ts runs by docker and by berth. One a line.

const lines = (text: string) => text.slice(1, -1).split('\n')

/** Refused by the client or by the engine; IMAGE and FILES are filled in. */
export const WRONG = lines(`
bogus
container bogus
--bogus
-Z ps
ps extra
images a b
version extra
logs a b
info extra
events extra
attach a b
pull a b
rename a
rename a b c
port
port a b c
exec web
tag a
ps -n
ps -n x
ps --last=x
ps --last=99999999999999999999
ps --all=maybe
ps -f x
images -f x
events -f x
ps --format
run -m x IMAGE
run -m 5q IMAGE
run --cpus x IMAGE
run --cpus 0.0000000001 IMAGE
run --blkio-weight 70000 IMAGE
run --blkio-weight -1 IMAGE
run --mount x IMAGE
run --mount type=bind IMAGE
run --mount type=tmpfs,target=/a,volume-nocopy IMAGE
run --mount target=/a,ro=maybe IMAGE
run --mount target=/a,bogus=1 IMAGE
run --mount type=bind,target=/a,bind-recursive=readonly IMAGE
run --mount type=tmpfs,target=/a,tmpfs-size=x IMAGE
run --mount type=tmpfs,target=/a,tmpfs-mode=9 IMAGE
run --gpus x IMAGE
run --gpus count=1,count=2 IMAGE
run --ulimit x IMAGE
run --ulimit bogus=1 IMAGE
run --ulimit nofile=2:1 IMAGE
run --ulimit nofile=x IMAGE
run --add-host x IMAGE
run --add-host x:y IMAGE
run --dns x IMAGE
run --sysctl x=1 IMAGE
run --sysctl kernel.bogus=1 IMAGE
run -e =x IMAGE
run -l =x IMAGE
run --device-read-bps x IMAGE
run --device-read-bps /x:1 IMAGE
run --device-read-bps /dev/x:y IMAGE
run --device-read-iops /dev/x:1k IMAGE
run --blkio-weight-device /dev/x:5 IMAGE
run --link a:b:c IMAGE
run --device-cgroup-rule x IMAGE
run --health-interval x IMAGE
run --health-interval 5 IMAGE
run --health-interval 5y IMAGE
run -a bogus IMAGE
run --network name=a,bogus=b IMAGE
run --network alias=a IMAGE
run --network name=a,gw-priority=x IMAGE
run -p x IMAGE
run -p 1.2.3:80:80 IMAGE
run -p 80:x IMAGE
run -p 80-81:80-85 IMAGE
run -p 80/bogus IMAGE
run -p 99999 IMAGE
run --expose x IMAGE
run --expose 80:80 IMAGE
run --expose 9-5 IMAGE
run -v aa::bb IMAGE
run -v /a:/b:ro:x IMAGE
run -v :/x IMAGE
run --device x: IMAGE
run --device /dev/null:x IMAGE
run --device /dev/null:/x:q IMAGE
run --env-file /nonexistent IMAGE
run --env-file FILES/bad-env IMAGE
run --label-file FILES/bad-env IMAGE
run --pid x IMAGE
run --uts x IMAGE
run --userns x IMAGE
run --cgroupns x IMAGE
run --restart :1 IMAGE
run --restart always:x IMAGE
run --rm --restart always IMAGE
run --log-driver none --log-opt a=b IMAGE
run --security-opt x IMAGE
run --security-opt seccomp=/nonexistent IMAGE
run --storage-opt x IMAGE
run --no-healthcheck --health-cmd x IMAGE
run --health-retries -1 IMAGE
run --memory-swappiness 101 IMAGE
run --mac-address x IMAGE
run --network a --network b --network a IMAGE
run --network a --network host IMAGE
run --network-alias a IMAGE
run --ip 1.2.3.4 --network name=a,ip=1.2.3.5 IMAGE
run --pull sometimes IMAGE
create --pull sometimes IMAGE
run -d -a stdout IMAGE
run --cpu-count 1 IMAGE
run -it IMAGE
exec -it web sh
exec -it missing sh
run --cidfile FILES/taken IMAGE
run --cidfile /nonexistent/x IMAGE
run Bad
run -h
create x:y:z
pull Bad
pull -a x:y
tag IMAGE Bad
tag missing x
push
push a b
push Bad
push -a x:y
push x@sha256:0000000000000000000000000000000000000000000000000000000000000000
push --platform a/b/c/d x
push missing
push -q missing:1
save
save missing
save Bad
save --platform a/b/c/d x
save -o FILES x
save -o FILES/no-such-directory/x IMAGE
image save missing:1
load x
load -i FILES/no-such-file
load --platform a/b/c/d -i FILES/env
load -i FILES/env
import
import FILES/no-such-file
import FILES/taken Bad
import -c BOGUS FILES/taken
history
history a b
history missing
history --platform a/b/c/d IMAGE
search
search a b
search https://x/y
search --limit 101 x
search -f bogus=1 x
start --checkpoint x web
stop --time 1 --timeout 1 web
run --platform bogus/x/y/z IMAGE
run --name bad/name IMAGE
run --stop-signal BOGUS IMAGE
-H foo://x ps
-H unix:///nonexistent.sock ps
-H tcp://127.0.0.1:1 ps
-H tcp://127.0.0.1:1 run x
-H a -H b ps
-H tcp://127.0.0.1:1 info
-H x --context y ps
--context bogus ps
--tlsverify -H tcp://127.0.0.1:1 ps
-l bogus ps
`)

/** Of lists; the empty one is the default. */
export const FORMATS = lines(String.raw`
json
table
raw

table {{.ID}}\t{{.Bogus}}
{{.Bogus}}
{{
{{.ID
{{bogus}}
{{if .ID}}
{{end}}
{{.ID}}
{{json .ID}}
{{.ID | upper}}
{{len .ID}}
{{printf "%-14s|" .ID}}
{{.ID.Foo}}
table {{upper .ID}}
{{if eq .ID "x"}}a{{else}}b{{end}}
{{/* nothing */}}x
{{"a" "b"}}
{{title "a b"}}{{pad "x" 1 2}}
`)

/** They change nothing. */
export const READING = lines(`
ps
ps -a
ps -q
ps -aq
ps -aq --no-trunc
ps -a --no-trunc
ps -as
ps -l
ps -n 2
ps -q --format {{.ID}}
ps -a -f status=exited
ps -a -f name=web
ps -a -f label=a
ps -a -f label=a=2
ps -f bogus=1
ps -a -f status=bogus
ps -a -f exited=0
ps -a -f ancestor=IMAGE
ps -a -f name=web -f name=done
ps -a --format {{.Labels}}
ps --format {{.Ports}}
ps -a --format {{.Mounts}}
ps -a --format {{.Networks}}
ps -a --format {{.State}}/{{.Status}}
ps -a --format {{.LocalVolumes}}
ps -a --format {{.Size}}
ps -a --format {{.CreatedAt}}
ps -a --format {{.Command}} --no-trunc
container ls -a
container ps -q
images
images -q
images -a
images --digests
images --no-trunc
images -q --no-trunc
images IMAGE
images second/name
images nothing
images ls
image ls ls
images -f dangling=true
images -f bogus=1
images -f reference=second/*
image ls
images --format {{.Digest}}
images --format {{.CreatedSince}}
images --format {{.Size}}/{{.SharedSize}}
images --format raw --digests
port web
port web 80
port web 80/udp
port web 81/udp
port web x
port web 99999
port done
port missing
top web
top web -o pid,cmd
top done
top missing
logs done
logs -t done
logs -n 1 done
logs --tail x done
logs missing
logs --since 1h done
logs --since 2020-01-01 done
logs --until 2020-01-01T00:00:00Z done
logs --since bogus done
logs --details done
inspect web
inspect -s done
inspect missing
inspect web missing
inspect --type image web
inspect --type bogus web
inspect --type= web
inspect IMAGE
inspect -s IMAGE
image inspect IMAGE
image inspect missing
container inspect web
container inspect missing
container inspect -s web
inspect -f json web
events --since 1 --until 2
events --since bogus
events --format {{ --until 1
events --format {{.Bogus}} --until 1
stats --no-stream missing
version --format {{.Server.Os}}
version --format {{
info -f {{.ContainersRunning}}
info --format {{
info -f {{.Driver}}
`)

/** Of a container that runs, with labels and a published port. */
export const TEMPLATES = lines(`
{{.Name}}
{{.Id}}
{{.ID}}
{{json .Config.Labels}}
{{.Config.Labels}}
{{.Config.Labels.a}}
{{.Config.Labels.zz}}
{{index .Config.Labels "a"}}
{{.State.Status}} {{.State.Running}}
{{.Bogus}}
{{.State.Bogus}}
{{
{{bogus .}}
{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}
{{range .Config.Env}}{{println .}}{{end}}
{{.State.Health}}
{{if .State.Health}}a{{else}}b{{end}}
{{.HostConfig.Binds}}
{{.HostConfig.RestartPolicy}}
{{.HostConfig.Memory}}
{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostIp}}
{{(index (index .NetworkSettings.Ports "9/tcp") 0).HostPort}}
{{.Config.Cmd}}
{{json .Config.Cmd}}
{{.Path}} {{.Args}}
{{join .Config.Cmd " "}}
{{len .Config.Cmd}}
{{.Created}}
{{with .Config}}{{.Image}}{{end}}
{{$c := .Config}}{{$c.Tty}}
{{.Config.StopTimeout}}
{{.HostConfig.NetworkMode}}
`)
