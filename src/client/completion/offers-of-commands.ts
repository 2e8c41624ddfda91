// What completes the arguments and flags of each command, by its first path.
import { DIRECTIVE, FILES, offer, offerParts } from './offer.ts'
import {
  containerNames,
  containers,
  contextNames,
  contexts,
  drivers,
  environment,
  files,
  imageNames,
  images,
  namespaces,
  networkNames,
  networks,
  nothing,
  oneOf,
  pairs,
  partOf,
  type Source,
  volumeNames,
  volumes,
} from './sources.ts'
import {
  CAPABILITIES,
  EVENT_ACTIONS,
  EVENT_TYPES,
  LOG_OPTIONS,
  OBJECT_TYPES,
  PLATFORMS,
  RESTART_POLICIES,
  SIGNALS,
  ULIMITS,
} from './values.ts'

const isAtRest = (state: string) => state === 'exited' || state === 'created'

/** A command that is not here has files for its arguments. */
export const ARGUMENTS: Readonly<Record<string, Source>> = {
  attach: containers(false, (state) => state !== 'paused'),
  commit: containers(false),
  'container inspect': containers(true),
  'container prune': nothing,
  'context create': nothing,
  'context export': contexts(1, FILES),
  'context import': files,
  'context inspect': contexts(),
  'context ls': nothing,
  'context rm': contexts(),
  'context show': nothing,
  'context update': contexts(1),
  'context use': contexts(1),
  'completion bash': nothing,
  'completion fish': nothing,
  'completion powershell': nothing,
  'completion zsh': nothing,
  create: images(),
  diff: containers(false),
  events: nothing,
  exec: containers(false, (state) => state !== 'paused'),
  export: containers(true),
  history: images(1),
  'image inspect': images(),
  'image prune': nothing,
  info: nothing,
  inspect: nothing,
  kill: containers(false),
  load: nothing,
  login: nothing,
  logs: containers(true),
  'network inspect': networks,
  'network ls': nothing,
  pause: containers(false, (state) => state !== 'paused'),
  'plugin ls': nothing,
  port: containers(false),
  ps: nothing,
  pull: nothing,
  push: images(1),
  rename: containers(true),
  restart: containers(true),
  rm: containers(true, (state, flags) => flags.boolean('force') === true || isAtRest(state)),
  rmi: images(),
  run: images(1),
  save: images(),
  start: containers(true, isAtRest),
  stats: containers(false),
  stop: containers(false),
  'system df': nothing,
  'system dial-stdio': nothing,
  'system prune': nothing,
  tag: images(2),
  top: containers(false),
  unpause: containers(false, (state) => state === 'paused'),
  update: containers(true),
  version: nothing,
  'volume create': nothing,
  'volume inspect': volumes,
  'volume ls': nothing,
  'volume prune': nothing,
  'volume rm': volumes,
  'volume update': volumes,
  wait: containers(false),
}

const platform = oneOf(...PLATFORMS)
const signal = oneOf(...SIGNALS)
const restart = oneOf(...RESTART_POLICIES)

const logOptions: Source = ({ flags }) => {
  const own = LOG_OPTIONS[flags.text('log-driver') ?? '']
  const all = own ?? [...new Set(Object.values(LOG_OPTIONS).flat())]
  const words = all.map((name) => `${name}=`)
  return own === undefined ? offerParts(words) : { words, directive: DIRECTIVE.noSpace | DIRECTIVE.noFiles }
}

const securityOptions: Source = ({ word }) => {
  if (word !== '' && 'apparmor='.startsWith(word)) return offerParts(['apparmor='])
  if (word !== '' && 'label'.startsWith(word)) return offerParts(['label='])
  if (word.startsWith('label=d')) return offer(['label=disable'])
  if (word.startsWith('label=')) {
    const words = ['disable', 'level:', 'role:', 'type:', 'user:'].map((each) => `label=${each}`)
    return { words, directive: DIRECTIVE.noSpace | DIRECTIVE.noFiles }
  }
  // A single `s` may become systempaths too.
  if (word.length > 1 && 'seccomp'.startsWith(word)) return offerParts(['seccomp='])
  if (word.startsWith('seccomp=')) return offer(['seccomp=unconfined'])
  return offer(['apparmor=', 'label=', 'no-new-privileges', 'seccomp=', 'systempaths=unconfined'])
}

const links: Source = async ({ shell }) =>
  offerParts((await containerNames(shell, true).catch(() => [])).map((name) => `${name}:`))

/** Of `run` and `create`; what is not here has nothing to offer. */
const OF_NEW_CONTAINERS: Readonly<Record<string, Source>> = {
  attach: oneOf('stderr', 'stdin', 'stdout'),
  'cap-add': oneOf(...CAPABILITIES),
  'cap-drop': oneOf(...CAPABILITIES),
  cgroupns: oneOf('host', 'private'),
  cidfile: files,
  'detach-keys': partOf('ctrl-'),
  device: files,
  env: environment,
  'env-file': files,
  ipc: namespaces('host', 'none', 'private', 'shareable'),
  'label-file': files,
  link: links,
  'log-driver': drivers('Log', Object.keys(LOG_OPTIONS)),
  'log-opt': logOptions,
  network: networks,
  pid: namespaces('host'),
  platform,
  pull: oneOf('always', 'missing', 'never'),
  restart,
  'security-opt': securityOptions,
  'stop-signal': signal,
  'storage-opt': partOf('size='),
  ulimit: partOf(...ULIMITS),
  userns: oneOf('host'),
  uts: oneOf('host'),
  volume: files,
  'volume-driver': drivers('Volume', ['local']),
  'volumes-from': containers(true),
}

const daemonNames: Parameters<typeof pairs>[0][string] = async (shell) => {
  const { Name, ID } = await shell.connection.json<{ Name: string; ID: string }>({ method: 'GET', path: '/info' })
  return [Name, ID]
}

const eventFilter = pairs({
  container: (shell) => containerNames(shell, true),
  daemon: daemonNames,
  event: () => EVENT_ACTIONS,
  image: imageNames,
  label: () => [],
  network: networkNames,
  node: () => [],
  scope: () => ['local', 'swarm'],
  type: () => EVENT_TYPES,
  volume: volumeNames,
})

const OF_COMMANDS: Readonly<Record<string, Readonly<Record<string, Source>>>> = {
  events: { filter: eventFilter },
  exec: { env: environment, 'env-file': files },
  inspect: { type: oneOf(...OBJECT_TYPES), format: nothing },
  kill: { signal },
  restart: { signal },
  stop: { signal },
  update: { restart },
}

/** What completes the value of a command's flag. */
export function flagSource(path: string, flag: string): Source {
  if (path === 'run' || path === 'create') return OF_NEW_CONTAINERS[flag] ?? nothing
  return OF_COMMANDS[path]?.[flag] ?? (flag === 'platform' ? platform : files)
}

/** Of the flags before the command. */
export const GLOBAL_FLAGS: Readonly<Record<string, Source>> = {
  context: contextNames,
  'log-level': oneOf('debug', 'info', 'warn', 'error', 'fatal', 'panic'),
}
