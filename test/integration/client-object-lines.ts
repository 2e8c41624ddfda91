// Command lines about objects besides containers, for client-objects.test.ts: each is run by docker and by berth. One a line.

const lines = (text: string) => text.slice(1, -1).split('\n')

/** They change nothing; IMAGE is filled in. */
export const OBJECT_LINES = lines(String.raw`
network ls
network ls -q
network ls --no-trunc
network ls --no-trunc -q
network ls -f driver=bridge
network ls -f name=host
network ls -f bogus=1
network ls -f bogus
network ls --format json
network ls --format raw
network ls -q --format raw
network ls --format {{.Name}}:{{.Driver}}:{{.IPv4}}:{{.IPv6}}:{{.Internal}}
network ls --format table\s{{.Name}}\t{{.CreatedAt}}
network ls --format {{.Label\s"x"}}/{{.Labels}}
network ls --format {{.Bogus}}
network ls --format {{
network ls extra
network list
network inspect host
network inspect -f {{.Driver}} host none
network inspect -v none
network inspect missing
network inspect host missing
network inspect
network bogus
inspect host
inspect --type network host
inspect --type network missing
inspect --type volume missing
inspect --type node missing
inspect --type service missing
inspect --type task missing
inspect --type secret missing
inspect --type config missing
inspect --type plugin missing
inspect -s host
inspect web host missing
inspect --type container IMAGE
inspect -f {{.Name}} web done missing
inspect --format= web
inspect -f {{.Name web
inspect -f {{range.Mounts}} web
plugin ls
plugin ls -q
plugin ls --format json
plugin ls -f bogus
plugin inspect missing
image prune -f
image prune -f --filter bogus=1
image prune -f --filter bogus
image prune extra
image ls -f dangling=true
image ls -f before=IMAGE
image ls -f since=IMAGE
image ls -f label=x
image ls -f until=1h
image inspect -f {{.Os}}/{{.Architecture}} IMAGE
image inspect -f {{json\s.Config.Cmd}} IMAGE
image inspect -f {{.RepoTags}} IMAGE second/name:v1
image inspect --platform linux/amd64 IMAGE
image inspect --platform linux/s390x IMAGE
image inspect --platform bogus IMAGE
image inspect IMAGE missing
image rm
image tag IMAGE
images --tree
images --tree -a
images --tree -q
images --tree --no-trunc
images --tree --digests
images --tree --format x
images --tree second/name
images --tree nothing
ps -a --format {{.Label\s"x"}}|{{.Labels}}
ps -a --format {{.Label}}
ps -a --format {{.ID\s"x"}}
ps -a --format {{.Label\s1}}
ps -a --format {{"x"|.Label}}
ps -a --format {{define\s"T"}}<{{.Names}}>{{end}}{{template\s"T"\s.}}
ps -a --format table\s{{.Names}}\t{{.State}}\t{{.Label\s"x"}}
ps -a --format table\s{{.Names|upper}}\t{{truncate\s.ID\s4}}
ps -a --format table\s{{range\ssplit\s.Names\s","}}{{.}}{{end}}
ps -a --format table\s{{if\seq\s.State\s"running"}}up{{else}}down{{end}}\t{{.Names}}
ps -a --format {{json\s.Names}}{{println}}{{len\s.Names}}
ps -a --format {{printf\s"%-20s|%5.2s|"\s.Names\s.State}}
ps -a --format {{$n\s:=\s.Names}}{{range\s2}}{{$n}}{{.}}{{end}}
ps -a --format {{with\s.Mounts}}{{.}}{{else}}none{{end}}
ps -a --format {{.Names.Foo}}
ps -a --format {{or\s.Mounts\s"none"}}{{and\s.ID\s"x"}}{{not\s.Names}}
ps -a --format {{index\s.Names\s0}}{{slice\s.Names\s0\s2}}
ps -a --format {{.Names}}{{/*\snothing\s*/}}\s{{-\s"x"\s-}}\sy
ps -a --format {{template\s"x"}}
ps -a --format {{break}}
ps -a --format {{upper\s1}}
ps -a --format {{$x}}
images --format {{.Repository|printf\s"%q"}}
images --format {{eq\s.Tag\s"latest"}}
images --format table\s{{.Repository|title}}\t{{.Tag}}
images --format {{.Label\s"x"}}
stats --no-stream --format {{.Name\s"x"}} web
version --format {{.Client.Os}}/{{.Server.Os}}
version --format {{json\s.Server.Os}}
version --format {{range\s.Server.Components}}{{.Name}};{{end}}
version --format {{.Bogus}}
info --format {{json\s.Plugins.Volume}}
info --format {{range\s.SecurityOptions}}{{.}};{{end}}
info --format {{.Bogus}}
info --format {{len\s.Runtimes}}
swarm leave
node ls
node inspect a b
service ls
service ps x
service rm a b
service scale web=2
secret ls
config ls
stack ls
swarm join-token worker
swarm unlock-key
service create
service create --bogus
service update --replicas x web
swarm init extra
rename web
wait
pause
unpause
port
`)
