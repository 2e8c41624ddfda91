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
rename web
wait
pause
unpause
port
`)
