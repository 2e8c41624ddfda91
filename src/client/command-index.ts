// Every command there is: names, usage and summary here, its code loaded when it is called.
import type { Command } from './command.ts'
import { COMPLETION_COMMANDS } from './command-tables/completions.ts'
import { CONTEXT_COMMANDS } from './command-tables/contexts.ts'
import { FILE_COMMANDS } from './command-tables/files.ts'
import { IMAGE_COMMANDS } from './command-tables/images.ts'
import { MANIFEST_COMMANDS } from './command-tables/manifests.ts'
import { OTHER_COMMANDS } from './command-tables/others.ts'
import { REGISTRY_COMMANDS } from './command-tables/registries.ts'
import { VOLUME_COMMANDS } from './command-tables/volumes.ts'
import { SWARM_COMMANDS } from './command-tables/swarm.ts'
import type { Gate } from './features.ts'

export interface CommandEntry extends Gate {
  /** `run`, `container run`, …: every path under which it is found. The first is the short form, where there is one. */
  readonly paths: readonly string[]
  /** What follows the path in the usage line: `[OPTIONS] IMAGE [COMMAND] [ARG...]`. */
  readonly usage: string
  readonly summary: string
  /** Place among the common commands of the help. */
  readonly rank?: number
  /** Found, but not listed. */
  readonly isHidden?: boolean
  load(): Promise<Command>
}

/** Nouns that only group commands. */
export const GROUPS: Record<string, string> = {
  checkpoint: 'Manage checkpoints',
  container: 'Manage containers',
  context: 'Manage contexts',
  completion: 'Generate the autocompletion script for the specified shell',
  image: 'Manage images',
  config: 'Manage Swarm configs',
  manifest: 'Manage Docker image manifests and manifest lists',
  network: 'Manage networks',
  node: 'Manage Swarm nodes',
  secret: 'Manage Swarm secrets',
  service: 'Manage Swarm services',
  stack: 'Manage Swarm stacks',
  swarm: 'Manage Swarm',
  plugin: 'Manage plugins',
  system: 'Manage Berth',
  volume: 'Manage volumes',
}

const containers = (name: string, ...aliases: string[]) => [
  name,
  ...[name, ...aliases].map((each) => `container ${each}`),
]
const CONTAINERS = 'CONTAINER [CONTAINER...]'
const CREATE = '[OPTIONS] IMAGE [COMMAND] [ARG...]'

export const COMMANDS: readonly CommandEntry[] = [
  {
    paths: containers('attach'),
    usage: '[OPTIONS] CONTAINER',
    summary: 'Attach local standard input, output, and error streams to a running container',
    load: async () => (await import('./commands/attach.ts')).attach,
  },
  {
    paths: ['checkpoint create'],
    since: '1.25',
    isExperimental: true,
    usage: '[OPTIONS] CONTAINER CHECKPOINT',
    summary: 'Create a checkpoint from a running container',
    load: async () => (await import('./commands/checkpoint.ts')).checkpointCreate,
  },
  {
    paths: ['checkpoint ls', 'checkpoint list'],
    since: '1.25',
    isExperimental: true,
    usage: '[OPTIONS] CONTAINER',
    summary: 'List checkpoints for a container',
    load: async () => (await import('./commands/checkpoint.ts')).checkpointList,
  },
  {
    paths: ['checkpoint rm', 'checkpoint remove'],
    since: '1.25',
    isExperimental: true,
    usage: '[OPTIONS] CONTAINER CHECKPOINT',
    summary: 'Remove a checkpoint',
    load: async () => (await import('./commands/checkpoint.ts')).checkpointRemove,
  },
  {
    paths: containers('create'),
    usage: CREATE,
    summary: 'Create a new container',
    load: async () => (await import('./commands/create.ts')).create,
  },
  {
    paths: ['events', 'system events'],
    usage: '[OPTIONS]',
    summary: 'Get real time events from the server',
    load: async () => (await import('./commands/events.ts')).events,
  },
  {
    paths: containers('exec'),
    usage: '[OPTIONS] CONTAINER COMMAND [ARG...]',
    summary: 'Execute a command in a running container',
    rank: 2,
    load: async () => (await import('./commands/exec.ts')).exec,
  },
  {
    paths: ['images', 'image ls', 'image list'],
    usage: '[OPTIONS] [REPOSITORY[:TAG]]',
    summary: 'List images',
    rank: 7,
    load: async () => (await import('./commands/images.ts')).images,
  },
  {
    paths: ['info', 'system info'],
    usage: '[OPTIONS]',
    summary: 'Display system-wide information',
    rank: 12,
    load: async () => (await import('./commands/info.ts')).info,
  },
  {
    paths: ['inspect'],
    usage: '[OPTIONS] NAME|ID [NAME|ID...]',
    summary: 'Return low-level information on Docker objects',
    load: async () => (await import('./commands/inspect.ts')).inspect,
  },
  {
    paths: ['container inspect'],
    usage: `[OPTIONS] ${CONTAINERS}`,
    summary: 'Display detailed information on one or more containers',
    load: async () => (await import('./commands/inspect.ts')).inspectContainers,
  },
  {
    paths: ['image inspect'],
    usage: '[OPTIONS] IMAGE [IMAGE...]',
    summary: 'Display detailed information on one or more images',
    load: async () => (await import('./commands/inspect.ts')).inspectImages,
  },
  {
    paths: containers('kill'),
    usage: `[OPTIONS] ${CONTAINERS}`,
    summary: 'Kill one or more running containers',
    load: async () => (await import('./commands/kill.ts')).kill,
  },
  {
    paths: containers('logs'),
    usage: '[OPTIONS] CONTAINER',
    summary: 'Fetch the logs of a container',
    load: async () => (await import('./commands/logs.ts')).logs,
  },
  {
    paths: containers('pause'),
    usage: CONTAINERS,
    summary: 'Pause all processes within one or more containers',
    load: async () => (await import('./commands/small-verbs.ts')).pause,
  },
  {
    paths: containers('port'),
    usage: 'CONTAINER [PRIVATE_PORT[/PROTO]]',
    summary: 'List port mappings or a specific mapping for the container',
    load: async () => (await import('./commands/port.ts')).port,
  },
  {
    paths: ['ps', 'container ls', 'container list', 'container ps'],
    usage: '[OPTIONS]',
    summary: 'List containers',
    rank: 3,
    load: async () => (await import('./commands/ps.ts')).ps,
  },
  {
    paths: ['pull', 'image pull'],
    usage: '[OPTIONS] NAME[:TAG|@DIGEST]',
    summary: 'Download an image from a registry',
    rank: 5,
    load: async () => (await import('./commands/pull.ts')).pull,
  },
  {
    paths: ['container prune'],
    since: '1.25',
    usage: '[OPTIONS]',
    summary: 'Remove all stopped containers',
    load: async () => (await import('./commands/container-prune.ts')).containerPrune,
  },
  {
    paths: containers('rename'),
    usage: 'CONTAINER NEW_NAME',
    summary: 'Rename a container',
    load: async () => (await import('./commands/small-verbs.ts')).rename,
  },
  {
    paths: containers('restart'),
    usage: `[OPTIONS] ${CONTAINERS}`,
    summary: 'Restart one or more containers',
    load: async () => (await import('./commands/small-verbs.ts')).restart,
  },
  {
    paths: containers('rm', 'remove'),
    usage: `[OPTIONS] ${CONTAINERS}`,
    summary: 'Remove one or more containers',
    load: async () => (await import('./commands/rm.ts')).rm,
  },
  {
    paths: ['rmi', 'image rm', 'image remove', 'image rmi'],
    usage: '[OPTIONS] IMAGE [IMAGE...]',
    summary: 'Remove one or more images',
    load: async () => (await import('./commands/rmi.ts')).rmi,
  },
  {
    paths: containers('run'),
    usage: CREATE,
    summary: 'Create and run a new container from an image',
    rank: 1,
    load: async () => (await import('./commands/run.ts')).run,
  },
  {
    paths: containers('start'),
    usage: `[OPTIONS] ${CONTAINERS}`,
    summary: 'Start one or more stopped containers',
    load: async () => (await import('./commands/start.ts')).start,
  },
  {
    paths: containers('stats'),
    usage: '[OPTIONS] [CONTAINER...]',
    summary: 'Display a live stream of container(s) resource usage statistics',
    load: async () => (await import('./commands/stats.ts')).stats,
  },
  {
    paths: containers('stop'),
    usage: `[OPTIONS] ${CONTAINERS}`,
    summary: 'Stop one or more running containers',
    load: async () => (await import('./commands/small-verbs.ts')).stop,
  },
  {
    paths: ['container execs'],
    isHidden: true,
    usage: '[OPTIONS] CONTAINER',
    summary: 'List the execs of a container',
    load: async () => (await import('./commands/execs.ts')).execs,
  },
  {
    paths: ['container exec-kill'],
    isHidden: true,
    usage: '[OPTIONS] EXEC [EXEC...]',
    summary: 'Send a signal to the process of one or more execs',
    load: async () => (await import('./commands/execs.ts')).execKill,
  },
  {
    paths: ['container exec-attach'],
    isHidden: true,
    usage: '[OPTIONS] CONTAINER EXEC',
    summary: 'Attach local standard input, output, and error streams to a running exec',
    load: async () => (await import('./commands/execs.ts')).execAttach,
  },
  {
    paths: ['system df'],
    since: '1.25',
    usage: '[OPTIONS]',
    summary: 'Show docker disk usage',
    load: async () => (await import('./commands/system-df.ts')).systemDf,
  },
  {
    paths: ['system prune'],
    since: '1.25',
    usage: '[OPTIONS]',
    summary: 'Remove unused data',
    load: async () => (await import('./commands/system-prune.ts')).systemPrune,
  },
  {
    paths: ['system dial-stdio'],
    usage: '',
    isHidden: true,
    summary: 'Proxy the stdio stream to the daemon connection. Should not be invoked manually.',
    load: async () => (await import('./commands/dial-stdio.ts')).dialStdio,
  },
  {
    paths: ['tag', 'image tag'],
    usage: 'SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]',
    summary: 'Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE',
    load: async () => (await import('./commands/tag.ts')).tag,
  },
  {
    paths: containers('top'),
    usage: 'CONTAINER [ps OPTIONS]',
    summary: 'Display the running processes of a container',
    load: async () => (await import('./commands/small-verbs.ts')).top,
  },
  {
    paths: containers('unpause'),
    usage: CONTAINERS,
    summary: 'Unpause all processes within one or more containers',
    load: async () => (await import('./commands/small-verbs.ts')).unpause,
  },
  {
    paths: containers('update'),
    usage: `[OPTIONS] ${CONTAINERS}`,
    summary: 'Update configuration of one or more containers',
    load: async () => (await import('./commands/update.ts')).update,
  },
  {
    paths: ['version'],
    usage: '[OPTIONS]',
    summary: 'Show the Docker version information',
    rank: 11,
    load: async () => (await import('./commands/version.ts')).version,
  },
  {
    paths: containers('wait'),
    usage: CONTAINERS,
    summary: 'Block until one or more containers stop, then print their exit codes',
    load: async () => (await import('./commands/small-verbs.ts')).wait,
  },
  ...COMPLETION_COMMANDS,
  ...CONTEXT_COMMANDS,
  ...FILE_COMMANDS,
  ...IMAGE_COMMANDS,
  ...MANIFEST_COMMANDS,
  ...OTHER_COMMANDS,
  ...REGISTRY_COMMANDS,
  ...SWARM_COMMANDS,
  ...VOLUME_COMMANDS,
]

export interface FoundCommand {
  entry: CommandEntry
  /** The path that it was called by. */
  called: string
  rest: string[]
}

/** The longest path that the words start with. */
export function findCommand(words: readonly string[]): FoundCommand | undefined {
  for (const length of [2, 1]) {
    const called = words.slice(0, length).join(' ')
    const entry = words.length >= length ? COMMANDS.find(({ paths }) => paths.includes(called)) : undefined
    if (entry !== undefined) return { entry, called, rest: words.slice(length) }
  }
  return undefined
}

/** `container ps` is shown as `container ls`: an alias by its own command's name, the short form as it is. */
export function displayPath({ paths }: CommandEntry, called: string): string {
  const [noun, verb] = called.split(' ')
  return verb === undefined ? called : (paths.find((path) => path.startsWith(`${noun} `)) ?? called)
}
