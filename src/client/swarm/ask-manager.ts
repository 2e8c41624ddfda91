// The commands of a swarm, as the Docker CLI has them where there is none: flags and arguments are read, the engine is asked, and what it
// answers is told. This client manages no swarm: docs/decisions/client-swarm.md.
import { messageOf } from '../../base/failure.ts'
import { type Command, ExitCode, type Shell } from '../command.ts'
import type { ApiCall } from '../connection/connection.ts'
import type { Flag, FlagKind } from '../flags.ts'
import { FORMAT, INSPECT_FORMAT } from '../options/format-flags.ts'
import { parseDuration } from '../options/values.ts'
import { SERVICE_FLAGS } from './flags-of-services.ts'
import { SWARM_FLAGS } from './flags-of-swarms.ts'

type Request = Pick<ApiCall, 'method' | 'path'>

interface Asking {
  args: Command['args']
  /** False: the first argument ends the flags. */
  interspersed?: boolean
  /** What the Docker CLI asks first. For each argument, where `isForEach`. */
  ask(name: string): Request
  isForEach?: boolean
}

const get = (path: string): Request => ({ method: 'GET', path })
const post = (path: string): Request => ({ method: 'POST', path })
const remove = (path: string): Request => ({ method: 'DELETE', path })
const each = (ask: Asking['ask']): Asking => ({ args: { min: 1 }, ask, isForEach: true })
const one = (ask: Asking['ask']): Asking => ({ args: { min: 1, max: 1 }, ask })
const none = (request: Request): Asking => ({ args: { min: 0, max: 0 }, ask: () => request })

const ASKING: Readonly<Record<string, Asking>> = {
  'config create': { args: { min: 2, max: 2 }, ask: () => post('/configs/create') },
  'config inspect': each((name) => get(`/configs/${name}`)),
  'config ls': none(get('/configs')),
  'config rm': each((name) => remove(`/configs/${name}`)),
  'node demote': each((name) => get(`/nodes/${name}`)),
  'node inspect': each((name) => get(`/nodes/${name}`)),
  'node ls': none(get('/nodes')),
  'node promote': each((name) => get(`/nodes/${name}`)),
  'node ps': { args: { min: 0 }, ask: (name) => get(name === '' ? '/nodes' : `/nodes/${name}`) },
  'node rm': each((name) => remove(`/nodes/${name}`)),
  'node update': one((name) => get(`/nodes/${name}`)),
  'secret create': { args: { min: 1, max: 2 }, ask: () => post('/secrets/create') },
  'secret inspect': each((name) => get(`/secrets/${name}`)),
  'secret ls': none(get('/secrets')),
  'secret rm': each((name) => remove(`/secrets/${name}`)),
  'service create': { args: { min: 1 }, interspersed: false, ask: () => post('/services/create') },
  'service inspect': each((name) => get(`/services/${name}`)),
  'service logs': one((name) => get(`/services/${name}`)),
  'service ls': none(get('/services')),
  'service ps': { args: { min: 1 }, ask: () => get('/services') },
  'service rm': each((name) => remove(`/services/${name}`)),
  'service rollback': one((name) => get(`/services/${name}`)),
  'service scale': each((name) => get(`/services/${name.split('=')[0]}`)),
  'service update': one((name) => get(`/services/${name}`)),
  'stack ls': none(get('/services')),
  'stack ps': one(() => get('/tasks')),
  'stack rm': { args: { min: 1 }, ask: () => get('/services') },
  'stack services': one(() => get('/services')),
  'swarm ca': none(get('/swarm')),
  'swarm init': none(post('/swarm/init')),
  'swarm join': one(() => post('/swarm/join')),
  'swarm join-token': one(() => get('/swarm')),
  'swarm leave': none(post('/swarm/leave')),
  'swarm unlock': none(get('/swarm')),
  'swarm unlock-key': none(get('/swarm/unlockkey')),
  'swarm update': none(get('/swarm')),
}

export function swarmCommand(path: string): Command {
  const { args, interspersed = true, ask, isForEach = false } = ASKING[path] as Asking
  return {
    flags: readFlags(SERVICE_FLAGS[path] ?? SWARM_FLAGS[path] ?? ''),
    args,
    interspersed,
    async run(shell, given) {
      const names = isForEach ? given : [given[0] ?? '']
      const failures: string[] = []
      for (const name of names) {
        try {
          await askOrRefuse(shell, ask(encodeURIComponent(name)))
        } catch (error) {
          failures.push(`${path === 'service scale' ? `${name.split('=')[0]}: ` : ''}${messageOf(error)}`)
        }
      }
      if (path.endsWith(' inspect')) shell.print('[]\n')
      throw new ExitCode(1, (path === 'swarm unlock-key' ? 'could not fetch unlock key: ' : '') + failures.join('\n'))
    },
  }
}

/** An engine that has a swarm must not be changed by half of a command: only reading requests are sent to it. */
async function askOrRefuse(shell: Shell, request: Request): Promise<never> {
  const { Swarm } = await shell.connection.json<{ Swarm?: { LocalNodeState?: string } }>({
    method: 'GET',
    path: '/info',
  })
  const isThere = (Swarm?.LocalNodeState ?? 'inactive') !== 'inactive'
  // What makes or joins a swarm would work on an engine that can; any other request only tells that there is none.
  const makesOne = request.path === '/swarm/init' || request.path === '/swarm/join'
  if (!isThere && !makesOne) await shell.connection.send(request)
  throw new Error('this client manages no swarms: use the Docker CLI for this engine')
}

const KINDS: Readonly<Record<string, FlagKind>> = {
  '': 'boolean',
  int: 'int',
  uint: 'uint',
  uint32: 'uint',
  string: 'string',
}
/** Of one value, not of a list of them. */
const SINGLE = new Set(['duration', 'bytes', 'decimal', 'float', 'command', 'credential-spec', 'node-addr', 'pem-file'])

function readFlags(table: string): Flag[] {
  return table
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [name = '', short = '', type = '', since = '', ...usage] = line.split('|')
      const text = usage.join('|')
      const shared: Partial<Flag> = { ...(short === '' ? {} : { short }), ...(since === '' ? {} : { since }) }
      if (text === '@list') return { ...FORMAT, ...shared }
      if (text === '@inspect') return { ...INSPECT_FORMAT, ...shared }
      const kind = KINDS[type] ?? (SINGLE.has(type) ? 'string' : 'list')
      return {
        ...{ name, kind, usage: text, ...shared },
        ...(type === '' || type === kind ? {} : { type }),
        ...(type === 'uint32' ? { bits: 32 } : {}),
        ...(type === 'duration' ? { check: parseDuration } : {}),
      }
    })
}
