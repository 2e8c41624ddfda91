// berth against docker, command line by command line: the same bytes on both streams and the same exit code, on one engine.
import assert from 'node:assert/strict'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { type TestEngine, startEngine } from '../harness/berth.ts'
import { clientsOf, type TestClient } from '../harness/clients.ts'
import { type CommandResult, run } from '../harness/command.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'

let engine: TestEngine
let registry: TestRegistry
let docker: TestClient
let berth: TestClient
let image: string
let files: string

const LONG_ID = /\b[0-9a-f]{64}\b/g
const SHORT_ID = /\b[0-9a-f]{12}\b/g

/** What two runs cannot have in common: ids, moments, the program's own name. */
function normalise(text: string): string {
  return text
    .replace(/\b[Bb]erth\b(?!-)/g, (name) => (name === 'berth' ? 'docker' : 'Docker'))
    .replace(LONG_ID, '<id>')
    .replace(SHORT_ID, '<short id>')
    .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| \+0000 UTC)?/g, '<time>')
    .replace(/\b(About a|\d+|Less than a) (second|minute)s?( ago)?\b */g, '<age> ')
    .replace(/28\.2\.2|0\.1\.0/g, '<version>')
    .replaceAll('^@', '') // echo of the end of input, if it comes before the terminal is raw
    .replace(/level=(error|warning) msg="(.*)"$/gm, 'level=$1 msg=$2')
}

function comparable({ code, stdout, stderr }: CommandResult): CommandResult {
  return { code, stdout: normalise(stdout), stderr: normalise(stderr) }
}

/** Runs both and compares; `IMAGE` stands for the image, `FILES` for a directory of files. */
async function assertSame(args: readonly string[], options: { env?: Record<string, string>; input?: string } = {}) {
  const words = args.map((word) => word.replaceAll('IMAGE', image).replaceAll('FILES', files))
  const expected = comparable(await docker.run(words, options))
  const actual = comparable(await berth.run(words, options))
  // docker lists the names of one image in the order of a Go map, which is none.
  const isUnordered = args.some((word) => word === 'images' || word === 'image')
  assert.deepEqual(isUnordered ? sorted(actual) : actual, isUnordered ? sorted(expected) : expected)
}

function sorted(result: CommandResult): CommandResult {
  return { ...result, stdout: result.stdout.split('\n').sort().join('\n') }
}

before(async () => {
  engine = await startEngine()
  registry = await startRegistry(`${engine.directory}/registry`)
  await pushBusybox(registry.host)
  image = `${registry.host}/busybox`
  files = `${engine.directory}/files`
  await mkdir(files)
  await writeFile(`${files}/env`, '# comment\nA=1\nB=two words\n\nHOME\n')
  await writeFile(`${files}/bad-env`, 'A B=1\n')
  await writeFile(`${files}/labels`, 'x=1\ny\n')
  await writeFile(`${files}/taken`, '')
  ;[docker, berth] = clientsOf(engine) as [TestClient, TestClient]
  await docker.ok('pull', '-q', image)
  await docker.ok('tag', image, 'second/name:v1')
  const labels = ['--label', 'b=2', '--label', 'a=1']
  await docker.ok(
    ...['run', '-d', '--name', 'web', ...labels, '-p', '127.0.0.1::80', '-p', '127.0.0.1::81/udp'],
    image,
    'sleep',
    '1000',
  )
  await docker.ok('run', '--name', 'done', '--network', 'none', image, 'sh', '-c', 'echo out; echo err >&2')
  await docker.ok('create', '--name', 'fresh', '-v', '/data', image, 'echo', 'a "quoted" <word> that is long')
})

after(async () => {
  await registry[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

const COMMANDS =
  'run create start stop kill rm ps logs exec attach inspect pull images rmi tag version info port top stats rename restart pause unpause wait events'.split(
    ' ',
  )
const GROUPED =
  'container run,container ls,container list,container ps,container rm,container remove,container inspect,container stats,image ls,image list,image rm,image remove,image inspect,image pull,image tag,system info,system events'.split(
    ',',
  )

describe('help', () => {
  for (const command of [...COMMANDS, ...GROUPED]) {
    test(`${command} --help`, () => assertSame([...command.split(' '), '--help']))
  }
  test('help run', () => assertSame(['help', 'run']))
  test('help bogus', () => assertSame(['help', 'bogus']))
  test('-h is deprecated', () => assertSame(['ps', '-h']))
})

describe('wrong command lines', () => {
  for (const command of COMMANDS) {
    test(`${command} --bogus`, () => assertSame([command, '--bogus']))
    test(`${command} -Z`, () => assertSame([command, '-Z']))
  }
  for (const command of 'run create start stop kill rm logs exec attach inspect pull rmi tag port top rename restart pause unpause wait'.split(
    ' ',
  ))
    test(`${command} without arguments`, () => assertSame([command]))
  const lines = [
    ...['bogus', 'container bogus', '--bogus', '-Z ps', 'ps extra', 'images a b', 'version extra', 'logs a b'],
    ...['info extra', 'events extra', 'attach a b', 'pull a b', 'rename a', 'rename a b c', 'port', 'port a b c'],
    ...['exec web', 'tag a', 'ps -n', 'ps -n x', 'ps --last=x', 'ps --last=99999999999999999999', 'ps --all=maybe'],
    ...[
      'ps -f x',
      'images -f x',
      'events -f x',
      'ps --format',
      'run -m x IMAGE',
      'run -m 5q IMAGE',
      'run --cpus x IMAGE',
    ],
    ...['run --cpus 0.0000000001 IMAGE', 'run --blkio-weight 70000 IMAGE', 'run --blkio-weight -1 IMAGE'],
    ...['run --mount x IMAGE', 'run --mount type=bind IMAGE', 'run --mount type=tmpfs,target=/a,volume-nocopy IMAGE'],
    ...[
      'run --mount target=/a,ro=maybe IMAGE',
      'run --mount target=/a,bogus=1 IMAGE',
      'run --mount type=bind,target=/a,bind-recursive=readonly IMAGE',
    ],
    ...['run --mount type=tmpfs,target=/a,tmpfs-size=x IMAGE', 'run --mount type=tmpfs,target=/a,tmpfs-mode=9 IMAGE'],
    ...['run --gpus x IMAGE', 'run --gpus count=1,count=2 IMAGE', 'run --ulimit x IMAGE', 'run --ulimit bogus=1 IMAGE'],
    ...[
      'run --ulimit nofile=2:1 IMAGE',
      'run --ulimit nofile=x IMAGE',
      'run --add-host x IMAGE',
      'run --add-host x:y IMAGE',
    ],
    ...[
      'run --dns x IMAGE',
      'run --sysctl x=1 IMAGE',
      'run --sysctl kernel.bogus=1 IMAGE',
      'run -e =x IMAGE',
      'run -l =x IMAGE',
    ],
    ...['run --device-read-bps x IMAGE', 'run --device-read-bps /x:1 IMAGE', 'run --device-read-bps /dev/x:y IMAGE'],
    ...['run --device-read-iops /dev/x:1k IMAGE', 'run --blkio-weight-device /dev/x:5 IMAGE', 'run --link a:b:c IMAGE'],
    ...[
      'run --device-cgroup-rule x IMAGE',
      'run --health-interval x IMAGE',
      'run --health-interval 5 IMAGE',
      'run --health-interval 5y IMAGE',
    ],
    ...[
      'run -a bogus IMAGE',
      'run --network name=a,bogus=b IMAGE',
      'run --network alias=a IMAGE',
      'run --network name=a,gw-priority=x IMAGE',
    ],
    ...[
      'run -p x IMAGE',
      'run -p 1.2.3:80:80 IMAGE',
      'run -p 80:x IMAGE',
      'run -p 80-81:80-85 IMAGE',
      'run -p 80/bogus IMAGE',
      'run -p 99999 IMAGE',
    ],
    ...[
      'run --expose x IMAGE',
      'run --expose 80:80 IMAGE',
      'run --expose 9-5 IMAGE',
      'run -v aa::bb IMAGE',
      'run -v /a:/b:ro:x IMAGE',
      'run -v :/x IMAGE',
    ],
    ...[
      'run --device x: IMAGE',
      'run --device /dev/null:x IMAGE',
      'run --device /dev/null:/x:q IMAGE',
      'run --env-file /nonexistent IMAGE',
    ],
    ...[
      'run --env-file FILES/bad-env IMAGE',
      'run --label-file FILES/bad-env IMAGE',
      'run --pid x IMAGE',
      'run --uts x IMAGE',
      'run --userns x IMAGE',
    ],
    ...[
      'run --cgroupns x IMAGE',
      'run --restart :1 IMAGE',
      'run --restart always:x IMAGE',
      'run --rm --restart always IMAGE',
    ],
    ...[
      'run --log-driver none --log-opt a=b IMAGE',
      'run --security-opt x IMAGE',
      'run --security-opt seccomp=/nonexistent IMAGE',
    ],
    ...['run --storage-opt x IMAGE', 'run --no-healthcheck --health-cmd x IMAGE', 'run --health-retries -1 IMAGE'],
    ...[
      'run --memory-swappiness 101 IMAGE',
      'run --mac-address x IMAGE',
      'run --network a --network b --network a IMAGE',
    ],
    ...[
      'run --network a --network host IMAGE',
      'run --network-alias a IMAGE',
      'run --ip 1.2.3.4 --network name=a,ip=1.2.3.5 IMAGE',
    ],
    ...[
      'run --pull sometimes IMAGE',
      'create --pull sometimes IMAGE',
      'run -d -a stdout IMAGE',
      'run --cpu-count 1 IMAGE',
    ],
    ...[
      'run -it IMAGE',
      'exec -it web sh',
      'exec -it missing sh',
      'run --cidfile FILES/taken IMAGE',
      'run --cidfile /nonexistent/x IMAGE',
    ],
    ...[
      'run Bad',
      'run -h',
      'create x:y:z',
      'pull Bad',
      'pull -a x:y',
      'tag IMAGE Bad',
      'tag missing x',
      'start --checkpoint x web',
    ],
    ...[
      'stop --time 1 --timeout 1 web',
      'run --platform bogus/x/y/z IMAGE',
      'run --name bad/name IMAGE',
      'run --stop-signal BOGUS IMAGE',
    ],
    ...[
      '-H foo://x ps',
      '-H unix:///nonexistent.sock ps',
      '-H tcp://127.0.0.1:1 ps',
      '-H tcp://127.0.0.1:1 run x',
      '-H a -H b ps',
    ],
    ...[
      '-H tcp://127.0.0.1:1 info',
      '-H x --context y ps',
      '--context bogus ps',
      '--tlsverify -H tcp://127.0.0.1:1 ps',
      '-l bogus ps',
    ],
  ]
  for (const line of lines) test(line, () => assertSame(line.split(' '), { env: { DOCKER_CONFIG: `${files}/config` } }))
})

describe('what is there', () => {
  const FORMATS = [
    ...[
      'json',
      'table',
      'raw',
      '',
      'table {{.ID}}\\t{{.Bogus}}',
      '{{.Bogus}}',
      '{{',
      '{{.ID',
      '{{bogus}}',
      '{{if .ID}}',
      '{{end}}',
    ],
    ...['{{.ID}}', '{{json .ID}}', '{{.ID | upper}}', '{{len .ID}}', '{{printf "%-14s|" .ID}}', '{{.ID.Foo}}'],
    ...[
      'table {{upper .ID}}',
      '{{if eq .ID "x"}}a{{else}}b{{end}}',
      '{{/* nothing */}}x',
      '{{"a" "b"}}',
      '{{title "a b"}}{{pad "x" 1 2}}',
    ],
  ]
  for (const format of FORMATS) {
    test(`ps -a --format ${format}`, () => assertSame(['ps', '-a', '--format', format]))
    test(`images --format ${format}`, () => assertSame(['images', '--format', format]))
  }
  const lines = [
    ...[
      'ps',
      'ps -a',
      'ps -q',
      'ps -aq',
      'ps -aq --no-trunc',
      'ps -a --no-trunc',
      'ps -as',
      'ps -l',
      'ps -n 2',
      'ps -q --format {{.ID}}',
    ],
    ...[
      'ps -a -f status=exited',
      'ps -a -f name=web',
      'ps -a -f label=a',
      'ps -a -f label=a=2',
      'ps -f bogus=1',
      'ps -a -f status=bogus',
    ],
    ...[
      'ps -a -f exited=0',
      'ps -a -f ancestor=IMAGE',
      'ps -a -f name=web -f name=done',
      'ps -a --format {{.Labels}}',
      'ps --format {{.Ports}}',
    ],
    ...[
      'ps -a --format {{.Mounts}}',
      'ps -a --format {{.Networks}}',
      'ps -a --format {{.State}}/{{.Status}}',
      'ps -a --format {{.LocalVolumes}}',
    ],
    ...[
      'ps -a --format {{.Size}}',
      'ps -a --format {{.CreatedAt}}',
      'ps -a --format {{.Command}} --no-trunc',
      'container ls -a',
      'container ps -q',
    ],
    ...[
      'images',
      'images -q',
      'images -a',
      'images --digests',
      'images --no-trunc',
      'images -q --no-trunc',
      'images IMAGE',
      'images second/name',
    ],
    ...[
      'images nothing',
      'images ls',
      'image ls ls',
      'images -f dangling=true',
      'images -f bogus=1',
      'images -f reference=second/*',
      'image ls',
    ],
    ...[
      'images --format {{.Digest}}',
      'images --format {{.CreatedSince}}',
      'images --format {{.Size}}/{{.SharedSize}}',
      'images --format raw --digests',
    ],
    ...[
      'port web',
      'port web 80',
      'port web 80/udp',
      'port web 81/udp',
      'port web x',
      'port web 99999',
      'port done',
      'port missing',
    ],
    ...[
      'top web',
      'top web -o pid,cmd',
      'top done',
      'top missing',
      'logs done',
      'logs -t done',
      'logs -n 1 done',
      'logs --tail x done',
      'logs missing',
    ],
    ...[
      'logs --since 1h done',
      'logs --since 2020-01-01 done',
      'logs --until 2020-01-01T00:00:00Z done',
      'logs --since bogus done',
      'logs --details done',
    ],
    ...[
      'inspect web',
      'inspect -s done',
      'inspect missing',
      'inspect web missing',
      'inspect --type image web',
      'inspect --type bogus web',
    ],
    ...[
      'inspect --type= web',
      'inspect IMAGE',
      'inspect -s IMAGE',
      'image inspect IMAGE',
      'image inspect missing',
      'container inspect web',
    ],
    ...[
      'container inspect missing',
      'container inspect -s web',
      'inspect -f json web',
      'events --since 1 --until 2',
      'events --since bogus',
    ],
    ...[
      'events --format {{ --until 1',
      'events --format {{.Bogus}} --until 1',
      'stats --no-stream missing',
      'version --format {{.Server.Os}}',
    ],
    ...['version --format {{', 'info -f {{.ContainersRunning}}', 'info --format {{', 'info -f {{.Driver}}'],
  ]
  for (const line of lines) test(line, () => assertSame(line.split(' ')))
  const TEMPLATES = [
    ...[
      '{{.Name}}',
      '{{.Id}}',
      '{{.ID}}',
      '{{json .Config.Labels}}',
      '{{.Config.Labels}}',
      '{{.Config.Labels.a}}',
      '{{.Config.Labels.zz}}',
    ],
    ...[
      '{{index .Config.Labels "a"}}',
      '{{.State.Status}} {{.State.Running}}',
      '{{.Bogus}}',
      '{{.State.Bogus}}',
      '{{',
      '{{bogus .}}',
    ],
    ...[
      '{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}',
      '{{range .Config.Env}}{{println .}}{{end}}',
      '{{.State.Health}}',
    ],
    ...[
      '{{if .State.Health}}a{{else}}b{{end}}',
      '{{.HostConfig.Binds}}',
      '{{.HostConfig.RestartPolicy}}',
      '{{.HostConfig.Memory}}',
    ],
    ...[
      '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostIp}}',
      '{{(index (index .NetworkSettings.Ports "9/tcp") 0).HostPort}}',
    ],
    ...[
      '{{.Config.Cmd}}',
      '{{json .Config.Cmd}}',
      '{{.Path}} {{.Args}}',
      '{{join .Config.Cmd " "}}',
      '{{len .Config.Cmd}}',
      '{{.Created}}',
    ],
    ...[
      '{{with .Config}}{{.Image}}{{end}}',
      '{{$c := .Config}}{{$c.Tty}}',
      '{{.Config.StopTimeout}}',
      '{{.HostConfig.NetworkMode}}',
    ],
  ]
  for (const template of TEMPLATES) test(`inspect -f ${template}`, () => assertSame(['inspect', '-f', template, 'web']))
})

describe('what changes', () => {
  /** Each line is run by docker, then by berth, from the same state: NAME is a container of their own. */
  const lines: [string, string][] = [
    ['create NAME', 'create --name NAME IMAGE true'],
    ['a name that is taken', 'create --name web IMAGE true'],
    ['run a program', 'run --rm --network none IMAGE sh -c "echo out; echo err >&2; exit 3"'],
    ['run what does not exist', 'run --rm --network none IMAGE no-such-program'],
    ['run what is not executable', 'run --rm --network none IMAGE /etc/passwd'],
    ['run an image that does not exist', 'run --rm REGISTRY/missing'],
    ['run without pulling', 'run --rm --pull never missing'],
    ['run detached', 'run -d --rm --network none IMAGE true'],
    ['run with nothing but stdin attached', 'run --rm --network none -a stdin -i IMAGE cat'],
    ['run with stderr attached', 'run --rm --network none -a stderr IMAGE sh -c "echo out; echo err >&2"'],
    ['run with environment', 'run --rm --network none --env-file FILES/env -e X=1 -e HOME -e UNSET_HERE IMAGE env'],
    ['run with a terminal that nobody types on', 'run --rm --network none -t IMAGE tty'],
    ['run with a warning', 'create --name NAME --dns 127.0.0.1 IMAGE true'],
    ['run with limits', 'run --rm --network none -m 1k IMAGE true'],
    ['start', 'create -q --name NAME --network none IMAGE true && start NAME && wait NAME'],
    ['start -a', 'create -q --name NAME --network none IMAGE sh -c "echo hello; exit 4" && start -a NAME'],
    ['start several attached', 'start -a web done'],
    ['start what is missing', 'start missing other'],
    ['start -a what is missing', 'start -a missing'],
    ['stop', 'run -d --name NAME --network none IMAGE sleep 100 && stop -t 0 NAME && stop NAME'],
    ['stop by the old flag', 'stop --time 1 done'],
    ['stop what is missing', 'stop done missing other'],
    ['kill', 'run -d --name NAME --network none IMAGE sleep 100 && kill -s KILL NAME && wait NAME && kill NAME'],
    ['kill with a bad signal', 'kill -s BOGUS web'],
    ['kill what is missing', 'kill missing'],
    ['restart', 'run -d --name NAME --network none IMAGE sleep 100 && restart -t 0 NAME missing'],
    ['pause', 'run -d --name NAME --network none IMAGE sleep 100 && pause NAME && pause NAME'],
    ['unpause', 'unpause web missing'],
    ['rename', 'create -q --name NAME IMAGE true && rename NAME NAME2 && rename NAME NAME3'],
    ['rename to nothing', 'rename web " "'],
    ['rm', 'create -q --name NAME IMAGE true && rm NAME missing'],
    ['rm what runs', 'rm web'],
    ['rm -f what is missing', 'rm -f missing'],
    ['rm nothing', 'rm /'],
    ['exec', 'exec web sh -c "echo out; echo err >&2; exit 5"'],
    ['exec -i', 'exec -i web cat'],
    ['exec -d', 'exec -d web true'],
    ['exec with environment', 'exec -e A=1 -w /tmp -u 1000 web sh -c "echo $A; pwd; id -u"'],
    ['exec what does not exist', 'exec web no-such-program'],
    ['exec where nothing runs', 'exec done true'],
    ['exec in what is missing', 'exec missing true'],
    ['attach to what is stopped', 'attach done'],
    ['attach to what is missing', 'attach missing'],
    ['wait for what is missing', 'wait done missing'],
    ['tag', 'tag IMAGE new:NAME && rmi new:NAME'],
    ['rmi what is in use', 'rmi second/name:v1 && tag IMAGE second/name:v1'],
    ['rmi what is missing', 'rmi missing'],
    ['rmi -f what is missing', 'rmi -f missing'],
    ['pull', 'pull IMAGE'],
    ['pull quietly', 'pull -q IMAGE'],
    ['pull what does not exist', 'pull REGISTRY/missing:tag'],
    ['pull a tag that does not exist', 'pull IMAGE:missing'],
    ['rm -v', 'create -q --name NAME -v /x --mount type=tmpfs,target=/t,tmpfs-size=1m IMAGE true && rm -v NAME'],
  ]
  for (const [title, line] of lines)
    test(title, async () => {
      const results: CommandResult[] = []
      for (const client of [docker, berth]) {
        const script = line
          .split(' && ')
          .map((part) => `$P ${part}`)
          .join('; ')
          .replaceAll('IMAGE', image)
          .replaceAll('REGISTRY', registry.host)
          .replaceAll('FILES', files)
          .replaceAll('NAME', 'own')
        const env = { DOCKER_HOST: engine.host, DOCKER_CONFIG: `${engine.directory}/docker-config`, P: client.program }
        results.push(comparable(await run(['sh', '-c', script], { env, input: 'typed\n' })))
        await docker.run(['rm', '-fv', 'own', 'own2', 'own3'])
      }
      assert.deepEqual(results[1], results[0])
    })

  test('--cidfile holds the id, and goes where nothing was made', async () => {
    const path = `${files}/cid`
    for (const client of [docker, berth]) {
      const id = await client.ok('create', '--cidfile', path, image, 'true')
      assert.equal(await client.run(['rm', id]).then(({ code }) => code), 0)
      assert.equal((await run(['cat', path])).stdout, id)
      await rm(path)
      assert.equal((await client.run(['create', '--cidfile', path, '--pull', 'never', 'missing'])).code, 1)
      assert.equal((await run(['test', '-e', path])).code, 1)
    }
  })

  test('what create asks for is the same for every flag', async () => {
    const flags = [
      ...['--domainname', 'd', '--user', '1:2', '--env', 'A=1', '--label', 'a=1', '--label-file', `${files}/labels`],
      ...[
        '--workdir',
        '/w',
        '--entrypoint',
        'sh',
        '--stop-signal',
        'INT',
        '--stop-timeout',
        '7',
        '--expose',
        '90-91/udp',
        '-p',
        '127.0.0.1:0:80',
      ],
      ...[
        '--mount',
        'type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=700',
        '--tmpfs',
        '/t2:size=1m',
        '-v',
        '/anonymous',
        '-v',
        '/etc:/e:ro',
      ],
      ...[
        '--cap-add',
        'NET_ADMIN',
        '--cap-drop',
        'CHOWN',
        '--group-add',
        '5',
        '--read-only',
        '--init',
        '--privileged',
        '-m',
        '64m',
        '--memory-swap',
        '-1',
      ],
      ...[
        '--cpus',
        '0.5',
        '--cpu-shares',
        '100',
        '--cpuset-cpus',
        '0',
        '--pids-limit',
        '50',
        '--oom-score-adj',
        '10',
        '--ulimit',
        'nofile=10:20',
      ],
      ...[
        '--device',
        '/dev/null:/dev/x:r',
        '--device-cgroup-rule',
        'c 1:3 r',
        '--device-read-bps',
        '/dev/null:1mb',
        '--blkio-weight-device',
        '/dev/null:20',
      ],
      ...[
        '--dns',
        '1.1.1.1',
        '--dns-search',
        'example.org',
        '--dns-option',
        'ndots:1',
        '--add-host',
        'a=1.2.3.4',
        '--ipc',
        'private',
        '--pid',
        'host',
      ],
      ...[
        '--uts',
        'host',
        '--restart',
        'on-failure:3',
        '--log-opt',
        'max-size=1m',
        '--shm-size',
        '1m',
        '--sysctl',
        'net.ipv4.ip_forward=1',
      ],
      ...[
        '--security-opt',
        'no-new-privileges',
        '--security-opt',
        'systempaths=unconfined',
        '--annotation',
        'k=v',
        '--health-cmd',
        'true',
      ],
      ...[
        '--health-interval',
        '5s',
        '--health-retries',
        '2',
        '-it',
        '--no-healthcheck=false',
        '--volume-driver',
        'local',
        '--mac-address',
        '02:42:ac:11:00:09',
      ],
    ]
    const described: unknown[] = []
    for (const client of [docker, berth]) {
      const made = await client.run(['create', '--name', 'own', ...flags, image, '-c', 'true'])
      assert.equal(made.code, 0, made.stderr)
      const text = normalise(await docker.ok('inspect', 'own'))
      described.push(JSON.parse(text))
      await docker.ok('rm', '-v', 'own')
    }
    assert.deepEqual(described[1], described[0])
  })
})

describe('on a terminal', () => {
  const lines = [
    'run --rm -it --network none IMAGE sh -c "stty size; tty"',
    'exec -it web sh -c "stty size; exit 3"',
    'ps',
    'rm --help',
    'pull IMAGE',
    'logs done',
  ]
  for (const line of lines)
    test(line, async () => {
      const words = (line.match(/"[^"]*"|\S+/g) ?? []).map((word) =>
        word.replace(/^"|"$/g, '').replaceAll('IMAGE', image),
      )
      const expected = comparable(await docker.runInPty(words, ''))
      assert.deepEqual(comparable(await berth.runInPty(words, '')), expected)
    })
})

describe('the configuration', () => {
  test('formats, detach keys and headers come from config.json', async () => {
    await mkdir(`${files}/formats`, { recursive: true })
    const config = {
      psFormat: 'table {{.Names}}\\t{{.State}}',
      imagesFormat: '{{.Repository}}',
      HttpHeaders: { 'X-Test': '1' },
      proxies: { default: { httpProxy: 'http://proxy:1' } },
    }
    await writeFile(`${files}/formats/config.json`, JSON.stringify(config))
    const env = { DOCKER_CONFIG: `${files}/formats` }
    for (const line of [
      'ps -a',
      'images',
      'ps -aq',
      'images -q',
      'run --rm --network none IMAGE printenv HTTP_PROXY http_proxy',
    ])
      await assertSame(line.split(' '), { env })
    await assertSame(['--config', `${files}/formats`, 'ps', '-a'])
    await assertSame(['ps', '-a'], { env: { DOCKER_API_VERSION: '1.44' } })
    await assertSame(['ps', '-a'], { env: { DOCKER_API_VERSION: '9.99' } })
  })
})
