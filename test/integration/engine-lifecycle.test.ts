// A container from its creation to its removal: states, signals, restarts, limits, waiting, pruning, and the events that tell of it.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { call } from '../harness/api.ts'
import { type BusyboxEngine, startBusyboxEngine } from '../harness/busybox-engine.ts'
import { eventually } from '../harness/command.ts'

let engine: BusyboxEngine
let image: string

before(async () => {
  engine = await startBusyboxEngine()
  ;({ image } = engine)
})

after(() => engine[Symbol.asyncDispose]())

const api = (line: string, body?: unknown) => call(engine.socketPath, line, body === undefined ? {} : { body })
const field = (id: string, format: string) => engine.ok('inspect', '-f', format, id)
const sleeper = (...options: string[]) => engine.ok('run', '-d', ...options, image, 'sleep', '1000')
const now = () => String(Date.now() / 1000)

interface Event {
  Type: string
  Action: string
  Actor: { ID: string; Attributes: Record<string, string> }
}

/** What happened since `from`, to containers and networks. */
async function eventsSince(from: string, ...filters: string[]): Promise<Event[]> {
  const wanted = filters.flatMap((filter) => ['--filter', filter])
  const text = await engine.ok('events', '--since', from, '--until', now(), '--format', '{{json .}}', ...wanted)
  return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line) as Event)
}
const told = (events: Event[]) =>
  events.map(({ Type, Action }) => (Type === 'container' ? Action : `${Type} ${Action}`))

describe('events', () => {
  test('of run --rm', async () => {
    const from = now()
    await engine.ok('run', '--rm', '--name', 'told', image, 'true')
    const expected = ['create', 'attach', 'network connect', 'start', 'die', 'network disconnect', 'destroy']
    const events = await eventually('destroy is told', 5000, async () => {
      const found = await eventsSince(from)
      return found.at(-1)?.Action === 'destroy' && found
    })
    assert.deepEqual(told(events), expected)
    const die = events.find(({ Action }) => Action === 'die')
    assert.deepEqual(die?.Actor.Attributes, { execDuration: '0', exitCode: '0', image, name: 'told' })
    const connect = events.find(({ Action }) => Action === 'connect')
    assert.equal(connect?.Actor.Attributes['container'], events[0]?.Actor.ID)
  })

  test('of stop, which must kill', async () => {
    const id = await sleeper('--label', 'a=b')
    const from = now()
    await engine.ok('stop', '-t', '0', id)
    const events = await eventsSince(from)
    assert.deepEqual(told(events), ['kill', 'kill', 'die', 'network disconnect', 'stop'])
    assert.deepEqual(
      events.filter(({ Action }) => Action === 'kill').map(({ Actor }) => Actor.Attributes['signal']),
      ['15', '9'],
    )
    assert.equal(events[0]?.Actor.Attributes['a'], 'b')
    const again = now()
    await engine.ok('start', id)
    await engine.ok('restart', '-t', '0', id)
    assert.deepEqual(told(await eventsSince(again)), [
      'network connect',
      'start',
      ...['kill', 'kill', 'die', 'network disconnect', 'stop'],
      'network connect',
      'start',
      'restart',
    ])
    const last = now()
    await engine.ok('pause', id)
    await engine.ok('unpause', id)
    await engine.ok('rename', id, 'renamed')
    await engine.ok('update', '--cpu-shares', '512', id)
    await engine.ok('top', id)
    await engine.ok('exec', id, 'true')
    await engine.ok('rm', '-f', id)
    const all = await eventually('destroy is told', 5000, async () => {
      const found = await eventsSince(last)
      return found.at(-1)?.Action === 'destroy' && found
    })
    assert.deepEqual(told(all), [
      'pause',
      'unpause',
      'rename',
      'update',
      'top',
      'exec_create: true ',
      'exec_start: true ',
      'exec_die',
      'kill',
      'die',
      'network disconnect',
      'destroy',
    ])
    assert.equal(all[2]?.Actor.Attributes['name'], 'renamed')
    assert.match(all[2]?.Actor.Attributes['oldName'] ?? '', /^\/\w+_\w+$/)
  })

  test('of a program that is not there, and filters', async () => {
    const from = now()
    await engine.docker(['run', '--rm', '--name', 'absent', image, 'nope'])
    assert.deepEqual(told(await eventsSince(from)).slice(0, 4), [
      'create',
      'attach',
      'network connect',
      'network disconnect',
    ])
    assert.deepEqual(told(await eventsSince(from, 'type=network')), ['network connect', 'network disconnect'])
    assert.deepEqual(told(await eventsSince(from, 'container=absent', 'event=create')), ['create'])
    assert.deepEqual(told(await eventsSince(from, 'container=other')), [])
  })
})

describe('signals and stops', () => {
  test('--stop-signal and --stop-timeout hold; kill takes names and numbers', async () => {
    const script = 'trap "echo got; exit 9" USR1; trap "" TERM; echo up; while :; do sleep 0.02; done'
    const id = await engine.ok('run', '-d', '--stop-signal', 'USR1', '--stop-timeout', '30', image, 'sh', '-c', script)
    await eventually('the trap is set', 5000, async () => (await engine.ok('logs', id)) === 'up')
    await engine.ok('kill', '-s', 'TERM', id)
    await engine.ok('kill', '-s', '15', id)
    assert.equal(await field(id, '{{.State.Running}}'), 'true')
    await engine.ok('stop', id)
    assert.equal(await field(id, '{{.State.ExitCode}}'), '9')
    assert.equal((await api(`POST /containers/${id}/stop`)).status, 304)
    const dead = await api(`POST /containers/${id}/kill`)
    assert.equal(dead.status, 409)
    assert.match(dead.text, /is not running/)
    const unknown = await api(`POST /containers/${id}/kill?signal=FOO`)
    assert.deepEqual([unknown.status, unknown.text], [400, `cannot kill container: ${id}: invalid signal: FOO`])
    await engine.ok('rm', id)
  })

  test('a paused container is stopped, too', async () => {
    const id = await sleeper()
    await engine.ok('pause', id)
    assert.equal(await field(id, '{{.State.Status}} {{.State.Running}} {{.State.Paused}}'), 'paused true true')
    assert.match(
      (await api(`POST /containers/${id}/start`)).text,
      /cannot start a paused container, try unpause instead/,
    )
    assert.equal((await api(`POST /containers/${id}/exec`, { Cmd: ['true'] })).status, 409)
    assert.equal((await api(`DELETE /containers/${id}`)).status, 409)
    await engine.ok('stop', '-t', '1', id)
    assert.equal(await field(id, '{{.State.Status}}'), 'exited')
    await engine.ok('rm', id)
  })

  test('start of a running one is 304, rm of it 409, a new name must be free', async () => {
    const id = await sleeper('--name', 'busy')
    assert.equal((await api('POST /containers/busy/start')).status, 304)
    const refused = await api('DELETE /containers/busy')
    assert.equal(refused.status, 409)
    assert.match(refused.text, /container is running: stop the container before removing or force remove/)
    await engine.ok('create', '--name', 'other', image)
    assert.equal((await api('POST /containers/other/rename?name=busy')).status, 409)
    assert.equal((await api('POST /containers/other/rename?name=a%20b')).status, 400)
    assert.equal((await api('POST /containers/other/rename')).status, 400)
    await engine.ok('rm', '-f', id, 'other')
    assert.equal((await api('DELETE /containers/other')).status, 404)
  })
})

describe('restart policies', () => {
  test('on-failure:2 tries twice more, with growing pauses', async () => {
    const id = await engine.ok(
      'run',
      '-d',
      '--restart',
      'on-failure:2',
      image,
      'sh',
      '-c',
      'date +%s%N >> /times; cat /times | wc -l; exit 3',
    )
    await eventually(
      'it has given up',
      10_000,
      async () => (await field(id, '{{.State.Status}} {{.RestartCount}}')) === 'exited 2',
    )
    assert.equal(await engine.ok('logs', id), '1\n2\n3')
    assert.equal(await field(id, '{{.State.ExitCode}}'), '3')
    await engine.ok('rm', id)
  })

  test('always comes back until it is stopped; the state between is restarting', async () => {
    const id = await engine.ok('run', '-d', '--restart', 'always', image, 'sh', '-c', 'echo run')
    await eventually(
      'it has run three times',
      10_000,
      async () => (await engine.ok('logs', id)).split('\n').length >= 3,
    )
    const seen = await eventually('it waits', 5000, async () => {
      const [container] = JSON.parse(await engine.ok('inspect', id)) as [{ State: Record<string, unknown> }]
      return container.State['Restarting'] === true && container.State
    })
    assert.deepEqual([seen['Status'], seen['Running'], seen['Pid']], ['restarting', true, 0])
    assert.equal((await api(`POST /containers/${id}/exec`, { Cmd: ['true'] })).status, 409)
    await engine.ok('stop', id)
    assert.equal(await field(id, '{{.State.Status}}'), 'exited')
    const count = (await engine.ok('logs', id)).split('\n').length
    await engine.ok('update', '--restart', 'no', id)
    await engine.ok('start', '-a', id)
    assert.equal((await engine.ok('logs', id)).split('\n').length, count + 1)
    assert.equal(await field(id, '{{.RestartCount}}'), '0')
    await engine.ok('rm', '-f', id)
  })
})

describe('limits', () => {
  test('update changes those of a running container', async () => {
    const id = await sleeper('-m', '64m')
    await engine.ok(
      'update',
      '-m',
      '128m',
      '--memory-swap',
      '256m',
      '--cpus',
      '1.5',
      '--pids-limit',
      '50',
      '--cpu-shares',
      '256',
      id,
    )
    const read = (v1: string, v2: string) =>
      engine.ok('exec', id, 'sh', '-c', `cat /sys/fs/cgroup/${v1} 2>/dev/null || cat /sys/fs/cgroup/${v2}`)
    assert.equal(await read('memory/memory.limit_in_bytes', 'memory.max'), String(128 << 20))
    assert.match(await read('cpu/cpu.cfs_quota_us', 'cpu.max'), /^150000/)
    assert.equal(await read('pids/pids.max', 'pids.max'), '50')
    assert.equal(
      await field(id, '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}'),
      `${128 << 20} 1500000000 50`,
    )
    await engine.ok('update', '-m', '32m', '--memory-swap', '64m', id)
    assert.equal(await read('memory/memory.limit_in_bytes', 'memory.max'), String(32 << 20))
    const small = await engine.docker(['update', '-m', '1m', id])
    assert.match(small.stderr, /Minimum memory limit allowed is 6MB/)
    assert.equal(await field(id, '{{.HostConfig.Memory}}'), String(32 << 20))
    await engine.ok('restart', '-t', '0', id)
    assert.equal(await read('memory/memory.limit_in_bytes', 'memory.max'), String(32 << 20))
    await engine.ok('rm', '-f', id)
  })

  test('who takes too much memory is killed, and it is said so', async () => {
    const id = await engine.ok(
      'run',
      '-d',
      '-m',
      '8m',
      '--memory-swap',
      '8m',
      image,
      'sh',
      '-c',
      'x=$(head -c 64m /dev/zero | tr "\\0" x)',
    )
    await engine.ok('wait', id)
    assert.equal(await field(id, '{{.State.OOMKilled}} {{.State.ExitCode}}'), 'true 137')
    await engine.ok('rm', id)
  })

  test('stats are sane, once and as a stream, and of a stopped container', async () => {
    const id = await engine.ok('run', '-d', '--name', 'measured', '-m', '64m', image, 'sh', '-c', 'while :; do :; done')
    const once = JSON.parse(await engine.ok('stats', '--no-stream', '--format', '{{json .}}', id)) as Record<
      string,
      string
    >
    assert.equal(once['Name'], 'measured')
    assert.ok(Number.parseFloat(once['CPUPerc'] ?? '') > 10, once['CPUPerc'])
    assert.match(once['MemUsage'] ?? '', /^[\d.]+(?:Ki|Mi)B \/ 64MiB$/)
    assert.equal(once['PIDs'], '1')
    interface Sample {
      cpu_stats: { cpu_usage: { total_usage: number }; system_cpu_usage: number; online_cpus: number }
      precpu_stats: { cpu_usage: { total_usage: number }; system_cpu_usage?: number }
      memory_stats: { usage: number; limit: number }
      networks: Record<string, { rx_bytes: number }>
    }
    const two = JSON.parse((await api(`GET /containers/${id}/stats?stream=0`)).body) as Sample
    assert.ok(two.cpu_stats.cpu_usage.total_usage > two.precpu_stats.cpu_usage.total_usage)
    assert.ok(two.cpu_stats.system_cpu_usage > (two.precpu_stats.system_cpu_usage ?? Infinity))
    assert.ok(two.cpu_stats.online_cpus >= 1)
    assert.equal(two.memory_stats.limit, 64 << 20)
    assert.ok(two.memory_stats.usage > 0 && two.memory_stats.usage < 64 << 20)
    assert.ok(two.networks['eth0'])
    const one = JSON.parse((await api(`GET /containers/${id}/stats?stream=0&one-shot=1`)).body) as Sample
    assert.equal(one.precpu_stats.cpu_usage.total_usage, 0)
    await engine.ok('kill', id)
    const stopped = await api(`GET /containers/${id}/stats?stream=0`)
    assert.equal(stopped.status, 200)
    assert.equal((JSON.parse(stopped.body) as { name: string }).name, '/measured')
    await engine.ok('rm', id)
  })
})

describe('wait', () => {
  test('conditions over HTTP', async () => {
    const id = await engine.ok('create', image, 'sh', '-c', 'exit 4')
    const settled: string[] = []
    const wait = async (condition: string) => {
      const answer = await api(`POST /containers/${id}/wait?condition=${condition}`)
      settled.push(condition)
      return answer.body
    }
    assert.equal(await wait('not-running'), '{"StatusCode":0}\n')
    const next = wait('next-exit')
    const removed = wait('removed')
    await engine.ok('start', id)
    assert.equal(await next, '{"StatusCode":4}\n')
    assert.deepEqual(settled, ['not-running', 'next-exit'])
    assert.equal(await wait('not-running'), '{"StatusCode":4}\n')
    await engine.ok('rm', id)
    assert.equal(await removed, '{"StatusCode":4}\n')
    assert.equal((await api(`POST /containers/${id}/wait`)).status, 404)
    const other = await engine.ok('create', image)
    const bad = await api(`POST /containers/${other}/wait?condition=someday`)
    assert.deepEqual([bad.status, bad.text], [400, 'invalid condition: "someday"'])
    await engine.ok('rm', other)
  })
})

describe('list', () => {
  const ids = async (...filters: string[]) =>
    (
      await engine.ok(
        'ps',
        '-a',
        '--no-trunc',
        '--format',
        '{{.Names}}',
        ...filters.flatMap((one) => ['--filter', one]),
      )
    )
      .split('\n')
      .filter((name) => name !== '')
      .sort()

  test('every filter, and unknown ones', async () => {
    await engine.ok('create', '--name', 'made', '--label', 'tier=front', '--expose', '7000', image)
    await engine.ok(
      'run',
      '-d',
      '--name',
      'up',
      '--label',
      'tier=back',
      '--label',
      'x',
      '-v',
      'data:/data',
      '-p',
      '127.0.0.1:17001:7001',
      image,
      'sleep',
      '1000',
    )
    await engine.docker([
      'run',
      '--name',
      'done',
      '--network',
      'none',
      image,
      'sh',
      '-c',
      'head -c 9999 /dev/zero > /x; exit 6',
    ])
    const upId = await field('up', '{{.Id}}')
    const network = await engine.ok('network', 'inspect', '-f', '{{.Id}}', 'bridge')
    const table: [string[], string[]][] = [
      [['status=created'], ['made']],
      [['status=running'], ['up']],
      [
        ['status=exited', 'status=created'],
        ['done', 'made'],
      ],
      [['exited=6'], ['done']],
      [['exited=0'], []],
      [['name=^up$'], ['up']],
      [['name=u'], ['up']],
      [['name=/made'], ['made']],
      [[`id=${upId.slice(0, 8)}`], ['up']],
      [['label=tier'], ['made', 'up']],
      [['label=tier=back', 'label=x'], ['up']],
      [['label=tier=none'], []],
      [[`ancestor=${image}`], ['done', 'made', 'up']],
      [['ancestor=nothing'], []],
      [['before=up'], ['made']],
      [['since=up'], ['done']],
      [['volume=data'], ['up']],
      [['volume=/data'], ['up']],
      [['publish=17001'], ['up']],
      [['publish=7001'], []],
      [['publish=7001/udp'], []],
      [['expose=7000/tcp'], []],
      [['expose=7001/tcp'], ['up']],
      [['expose=6999-7001'], ['up']],
      [['network=none'], ['done']],
      [['network=bridge', 'status=running'], ['up']],
      [[`network=${network}`, 'status=running'], ['up']],
      [['health=none'], ['done', 'made', 'up']],
      [['is-task=false'], ['done', 'made', 'up']],
    ]
    for (const [filters, expected] of table) assert.deepEqual(await ids(...filters), expected, filters.join(' '))
    for (const [filter, status] of [
      ['{"nope":["x"]}', 400],
      ['{"status":["bogus"]}', 400],
      ['{"health":["bogus"]}', 400],
      ['{"exited":["x"]}', 400],
      ['{"before":["nobody"]}', 404],
      ['{"status":', 400],
      ['[]', 400],
      ['{"status":{"running":true}}', 200],
      ['null', 200],
    ] as const)
      assert.equal((await api(`GET /containers/json?filters=${encodeURIComponent(filter)}`)).status, status, filter)
    assert.equal(
      (await api('GET /containers/json?filters=%7B%22nope%22%3A%5B%22x%22%5D%7D')).text,
      "invalid filter 'nope'",
    )
    const newest = JSON.parse((await api('GET /containers/json?limit=1&size=1')).body) as {
      Names: string[]
      SizeRw: number
      SizeRootFs: number
    }[]
    assert.deepEqual(
      newest.map(({ Names }) => Names[0]),
      ['/done'],
    )
    assert.ok((newest[0]?.SizeRootFs ?? 0) > 500_000)
  })

  test('prune takes what is down and passes the filters', async () => {
    const prune = async (filters: object) =>
      JSON.parse((await api(`POST /containers/prune?filters=${encodeURIComponent(JSON.stringify(filters))}`)).body) as {
        ContainersDeleted: string[] | null
        SpaceReclaimed: number
      }
    assert.equal((await prune({ label: ['none'] })).ContainersDeleted, null)
    assert.equal((await prune({ until: ['10m'] })).ContainersDeleted, null)
    assert.equal((await prune({ label: ['tier=front'] })).ContainersDeleted?.length, 1)
    assert.deepEqual(await ids(), ['done', 'up'])
    const rest = await prune({})
    assert.equal(rest.ContainersDeleted?.length, 1)
    assert.ok(rest.SpaceReclaimed >= 9999, String(rest.SpaceReclaimed))
    assert.deepEqual(await ids(), ['up'])
    assert.equal((await api('POST /containers/prune?filters=%7B%22nope%22%3A%5B%22x%22%5D%7D')).status, 400)
    await engine.ok('rm', '-f', 'up')
  })
})

test('at the end nothing is left in the engine’s directories', async () => {
  await eventually('netns and streams are gone', 5000, () =>
    ['exec/netns', 'exec/streams', 'data/containers'].every(
      (name) => !existsSync(`${engine.directory}/${name}`) || readdirSync(`${engine.directory}/${name}`).length === 0,
    ),
  )
  assert.doesNotMatch(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(`${engine.directory}/exec/netns/`))
})
