// The program: its commands, and the daemon's life from its configuration to its last signal.
import { existsSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Failure, messageOf } from '../base/failure.ts'
import { createLog, type Log } from '../base/log.ts'
import { type CommandLine, parseCommandLine, USAGE } from './command-line.ts'
import { defaultDocument, type Places, placesOf } from './config/defaults.ts'
import { formatDocument } from './config/format-document.ts'
import { loadDocument, withDefaults } from './config/load-document.ts'
import type { Document } from './config/schema.ts'
import { applyFlags, settingsOf } from './config/settings.ts'
import { runDaemon } from './daemon/run-daemon.ts'
import { hostPlatform } from './open-containerd.ts'
import { CONTAINERD_PACKAGE, CONTAINERD_VERSION } from './services/version.ts'

/** Serves until SIGTERM or SIGINT, or does what a command says. @returns the exit code. */
export async function serveContainerd(argv: readonly string[], program = process.argv[1] ?? ''): Promise<number> {
  if (argv[0] === 'fsck') return (await import('./fsck/fsck-command.ts')).runFsck(argv.slice(1))
  const name = basename(program) === 'containerd' ? 'containerd' : 'berth-containerd'
  try {
    const line = parseCommandLine(argv)
    return await COMMANDS[line.command](line, { name, program })
  } catch (error) {
    process.stderr.write(`${name}: ${messageOf(error)}\n`)
    return 1
  }
}

interface Invocation {
  /** Which program's place it takes. */
  name: string
  program: string
}

type Command = (line: CommandLine, invocation: Invocation) => Promise<number>

const COMMANDS: Record<CommandLine['command'], Command> = {
  serve,
  help: async () => print(USAGE),
  version: async (_line, { name }) => print(`${name} ${CONTAINERD_PACKAGE} ${CONTAINERD_VERSION}\n`),
  'config default': async (_line, { name }) => print(formatDocument(defaultsOf(placesOf(name)))),
  'config dump': async (line, { name }) =>
    print(formatDocument(resolveDocument(line, placesOf(name), createLog('warn')))),
  'config migrate': async (line, { name }) => {
    const { config = placesOf(name).configFile } = line
    if (config === undefined) throw new Failure('invalid-argument', 'config migrate: --config names no file')
    return print(formatDocument({ ...loadDocument(config, createLog('error')), imports: [] }))
  },
  publish: async (line, { name }) => {
    const { publishEvent } = await import('./publish-event.ts')
    const { address = join(placesOf(name).state, 'containerd.sock'), namespace, topic } = line
    await publishEvent(process.stdin, { address, namespace, topic })
    return 0
  },
  'oci-hook': async ({ rest }) => {
    const { runOciHook } = await import('./run-oci-hook.ts')
    return runOciHook(await readAll(process.stdin), rest)
  },
}

async function serve(line: CommandLine, { name, program }: Invocation): Promise<number> {
  const settings = settingsOf(resolveDocument(line, placesOf(name), createLog('warn')), createLog('warn'))
  const log = createLog(settings.log.level, undefined, settings.log.format)
  try {
    await runDaemon(settings, { shim: resolve(line.shim ?? findShim(program)), own: resolve(program) }, log)
    return 0
  } catch (error) {
    log.error('containerd failed', { error: messageOf(error) })
    return 1
  }
}

/** Flags over the file over the defaults. */
function resolveDocument(line: CommandLine, places: Places, log: Log): Document {
  const defaults = defaultsOf(places)
  const { configFile } = places
  const file = line.config ?? (configFile !== undefined && existsSync(configFile) ? configFile : undefined)
  const document = file === undefined ? defaults : withDefaults(loadDocument(file, log), defaults)
  return applyFlags(document, {
    ...(line.root === undefined ? {} : { root: resolve(line.root) }),
    ...(line.state === undefined ? {} : { state: resolve(line.state) }),
    ...(line.address === undefined ? {} : { address: line.address }),
    ...(line.logLevel === undefined ? {} : { logLevel: line.logLevel }),
    ...(line.ownRuntimes === undefined ? {} : { ownRuntimes: line.ownRuntimes.split(',').filter(Boolean) }),
  })
}

function defaultsOf(places: Places): Document {
  const { os, architecture } = hostPlatform()
  return defaultDocument(places, `${os}/${architecture}`)
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}

async function readAll(input: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of input) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

/** Installed beside the daemon's launcher, wherever a link to that is, or in the tree's build directory. */
function findShim(program: string): string {
  const here = dirname(fileURLToPath(import.meta.url))
  const launcher = existsSync(program) ? dirname(realpathSync(program)) : here
  const candidates = [
    join(launcher, 'berth-shim'),
    join(here, '../bin/berth-shim'),
    join(here, '../../../bin/berth-shim'),
  ]
  return candidates.find((path) => existsSync(path)) ?? '/usr/libexec/berth/berth-shim'
}
