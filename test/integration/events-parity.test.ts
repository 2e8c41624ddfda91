// Events of containers, execs, images and volumes, one by one as a real dockerd tells them of the same commands.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { call } from '../harness/api.ts'
import { startEngine, type TestEngine } from '../harness/berth.ts'
import { must, run } from '../harness/command.ts'
import { type RealDockerd, startDockerd } from '../harness/dockerd.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'

let engine: TestEngine
let registry: TestRegistry
let real: RealDockerd | undefined

before(async () => {
  engine = await startEngine()
  registry = await startRegistry(`${engine.directory}/registry`)
  real = await startDockerd()
  await pushBusybox(registry.host, 'busybox:latest', { Labels: { origin: 'image' } })
})

after(async () => {
  await real?.[Symbol.asyncDispose]()
  await registry[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

interface Told {
  status?: string
  id?: string
  from?: string
  Type: string
  Action: string
  Actor: { ID: string; Attributes: Record<string, string> }
  scope: string
  time: number
  timeNano: number
}

/** Runs the lines with the Docker CLI, failures included, and returns what the engine tells of them, ids replaced by their order of appearance. */
async function record(socketPath: string, lines: readonly string[]): Promise<string[]> {
  const env = {
    DOCKER_HOST: `unix://${socketPath}`,
    DOCKER_API_VERSION: '1.41',
    DOCKER_CONFIG: `${engine.directory}/cli`,
  }
  const since = (Date.now() / 1000).toFixed(3)
  for (const line of lines) await run(['sh', '-c', line.replaceAll('IMAGE', `${registry.host}/busybox`)], { env })
  const until = (Date.now() / 1000 + 0.3).toFixed(3)
  const { body } = await call(socketPath, `GET /v1.41/events?since=${since}&until=${until}`)
  const seen: string[] = []
  const name = (id: string) => `id${(seen.includes(id) ? seen.indexOf(id) : seen.push(id) - 1) + 1}`
  return body
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const { status, id, from, Type, Action, Actor, scope, time, timeNano } = JSON.parse(line) as Told
      assert.equal(Math.floor(timeNano / 1e9), time)
      // It came with Docker 22.
      const { execDuration: _, ...attributes } = Actor.Attributes
      const pairs = Object.entries(attributes).map(([key, value]) => `${key}=${value}`)
      const text = `${Type} ${Action} ${Actor.ID} ${pairs.join(' ')} ${scope} status=${status} id=${id} from=${from}`
      return text.replaceAll(registry.host, 'registry').replace(/[0-9a-f]{64}/g, name)
    })
}

async function assertSameEvents(lines: readonly string[], { isOrdered }: { isOrdered: boolean }): Promise<void> {
  if (real === undefined) return
  const [theirs, ours] = [await record(real.socketPath, lines), await record(engine.socketPath, lines)]
  assert.ok(theirs.length > 0)
  const inOrder = (events: string[]) => (isOrdered ? events : events.sort())
  assert.deepEqual(inOrder(ours), inOrder(theirs))
}

const RUN = 'docker run -d --network none --name web --label tier=front --stop-signal KILL IMAGE'

/** Which of the two ends is told of first is left to chance, in dockerd too; Docker 28 mounts volumes before it connects networks, 20.10 after. */
const UNORDERED = ['an exec that ends with its container', 'volumes: named, anonymous, of a container that goes']

const CASES: readonly (readonly [title: string, lines: readonly string[]])[] = [
  ['pull, tag, untag and delete', ['docker pull -q IMAGE', 'docker tag IMAGE mine:1', 'docker rmi mine:1']],
  ['run to an end', ['docker run --rm --network none --name web --label a=b IMAGE sh -c "exit 3"']],
  [
    'a label that is called as an attribute',
    ['docker run --rm --network none --label exitCode=x --label name=y --name web IMAGE true'],
  ],
  [
    'create, start, kill, remove',
    [
      'docker create --network none --name web IMAGE top',
      'docker start web',
      'docker kill -s USR1 web; docker wait web',
      'docker rm web',
    ],
  ],
  [
    'stop, start, restart',
    [`${RUN} top`, 'docker stop -t 1 web', 'docker start web', 'docker restart -t 1 web', 'docker rm -f web'],
  ],
  [
    'pause, unpause, rename, update, top',
    [
      `${RUN} top`,
      'docker pause web',
      'docker unpause web',
      'docker rename web other',
      'docker update --memory 64m --memory-swap 64m other',
      'docker top other',
      'docker rm -f other',
    ],
  ],
  [
    'exec: with and without arguments, its code, what can not start',
    [`${RUN} top`, 'docker exec web sh -c "exit 7"', 'docker exec web ls', 'docker rm -f web'],
  ],
  [
    'an exec that ends with its container',
    [`${RUN} top`, 'docker exec -d web sleep 100', 'docker kill web; docker wait web', 'docker rm web'],
  ],
  [
    'volumes: named, anonymous, of a container that goes',
    [
      'docker volume create --label x=y v3',
      'docker run --rm --network none --name web -v v1:/a:ro -v v2:/b -v /c IMAGE true',
      'docker volume rm v1 v2 v3',
    ],
  ],
  ['a container that can not be started', ['docker run --network none --name web IMAGE /nowhere', 'docker rm web']],
]

for (const [title, lines] of CASES)
  test(`${title}: the events are dockerd’s`, async (t) => {
    if (real === undefined) return t.skip('no dockerd is installed')
    for (const socketPath of [real.socketPath, engine.socketPath])
      if (title !== CASES[0]?.[0])
        await must(['docker', '-H', `unix://${socketPath}`, 'pull', '-q', `${registry.host}/busybox`])
    await assertSameEvents(lines, { isOrdered: !UNORDERED.includes(title) })
  })
