// berth against docker, command line by command line: the same bytes on both streams and the same exit code, on one engine.
import assert from 'node:assert/strict'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { skipWithoutDocker28 } from '../harness/docker-cli.ts'
import { type TestEngine, startEngine } from '../harness/berth.ts'
import { clientsOf, type TestClient } from '../harness/clients.ts'
import { type CommandResult, run } from '../harness/command.ts'
import { comparable, normalise, sorted } from '../harness/compare-clients.ts'
import { pushBusybox } from '../harness/images.ts'
import { FORMATS, READING, TEMPLATES, WRONG } from './client-command-lines.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'

let engine: TestEngine
let registry: TestRegistry
let docker: TestClient
let berth: TestClient
let image: string
let files: string

/** Runs both and compares; `IMAGE` stands for the image, `FILES` for a directory of files. */
async function assertSame(args: readonly string[], options: { env?: Record<string, string>; input?: string } = {}) {
  const words = args.map((word) => word.replaceAll('IMAGE', image).replaceAll('FILES', files))
  const expected = comparable(await docker.run(words, options))
  const actual = comparable(await berth.run(words, options))
  // docker lists the names of one image in the order of a Go map, which is none.
  const isUnordered = args.some((word) => word === 'images' || word === 'image')
  assert.deepEqual(isUnordered ? sorted(actual) : actual, isUnordered ? sorted(expected) : expected)
}

/** For commands that show ages: between the two runs one may grow by a letter and widen its column. A real difference shows again. */
async function assertSameAnyMoment(args: readonly string[]) {
  await assertSame(args).catch(() => assertSame(args))
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
  'run create start stop kill rm ps logs exec attach inspect pull images rmi tag version info port top stats rename restart pause unpause wait events update'.split(
    ' ',
  )
const GROUPED =
  'container run,container ls,container list,container ps,container rm,container remove,container inspect,container stats,container update,container prune,checkpoint create,checkpoint ls,image ls,image list,image rm,image remove,image inspect,image pull,image tag,system info,system events'.split(
    ',',
  )

describe('help', { skip: skipWithoutDocker28 }, () => {
  for (const command of [...COMMANDS, ...GROUPED]) {
    test(`${command} --help`, () => assertSame([...command.split(' '), '--help']))
  }
  test('help run', () => assertSame(['help', 'run']))
  test('help bogus', () => assertSame(['help', 'bogus']))
  test('-h is deprecated', () => assertSame(['ps', '-h']))
})

describe('wrong command lines', { skip: skipWithoutDocker28 }, () => {
  for (const command of COMMANDS) {
    test(`${command} --bogus`, () => assertSame([command, '--bogus']))
    test(`${command} -Z`, () => assertSame([command, '-Z']))
  }
  for (const command of 'run create start stop kill rm logs exec attach inspect pull rmi tag port top rename restart pause unpause wait update'.split(
    ' ',
  ))
    test(`${command} without arguments`, () => assertSame([command]))
  for (const line of WRONG) test(line, () => assertSame(line.split(' '), { env: { DOCKER_CONFIG: `${files}/config` } }))
})

describe('what is there', { skip: skipWithoutDocker28 }, () => {
  for (const format of FORMATS) {
    test(`ps -a --format ${format}`, () => assertSameAnyMoment(['ps', '-a', '--format', format]))
    test(`images --format ${format}`, () => assertSameAnyMoment(['images', '--format', format]))
  }
  for (const line of READING) test(line, () => assertSameAnyMoment(line.split(' ')))
  for (const template of TEMPLATES)
    test(`inspect -f ${template}`, () => assertSameAnyMoment(['inspect', '-f', template, 'web']))
})

describe('what changes', { skip: skipWithoutDocker28 }, () => {
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

describe('on a terminal', { skip: skipWithoutDocker28 }, () => {
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

describe('the configuration', { skip: skipWithoutDocker28 }, () => {
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
