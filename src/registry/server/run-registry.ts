// The program: its command line, and the registry's life from its configuration to its last signal.
import { readFileSync } from 'node:fs'
import { systemClock } from '../../base/clock.ts'
import { messageOf } from '../../base/failure.ts'
import { createLog } from '../../base/log.ts'
import { watchStrayErrors } from '../../base/stray-errors.ts'
import { parseCommandLine, USAGE } from './config/command-line.ts'
import { parseConfig } from './config/parse-config.ts'
import type { Settings } from './config/settings.ts'
import { type CollectOptions, collect } from './gc/collect.ts'
import { scrub } from './gc/scrub.ts'
import { openRegistry, openStore } from './open-registry.ts'

const VERSION = '0.1.0'
/** After an exception that nobody caught draining may hang. */
const BROKEN_MS = 10_000

/** @returns the exit code. */
export async function runRegistry(argv: readonly string[]): Promise<number> {
  try {
    const line = parseCommandLine(argv)
    switch (line.command) {
      case 'help':
        return print(USAGE)
      case 'version':
        return print(`berth-registry ${VERSION}\n`)
      case 'serve':
        return await serve(readConfig(line.config))
      case 'scrub':
        return await scrubStore(readConfig(line.config))
      case 'garbage-collect':
        return await collectGarbage(readConfig(line.config), line)
    }
  } catch (error) {
    process.stderr.write(`berth-registry: ${messageOf(error)}\n`)
    return 1
  }
}

function readConfig(path: string): Settings {
  return parseConfig(readFileSync(path, 'utf8'), process.env)
}

async function serve(settings: Settings): Promise<number> {
  const { level, format, fields } = settings.log
  const log = withFields(createLog(level, undefined, format), fields)
  const broken = watchStrayErrors(log, BROKEN_MS)
  const running = await openRegistry(settings, log)
  const told = new Promise<string>((resolve) => {
    process.once('SIGTERM', resolve)
    process.once('SIGINT', resolve)
  })
  const ended = await Promise.race([told, broken])
  if (typeof ended === 'string') log.info('draining', { signal: ended })
  await running.close()
  if (typeof ended !== 'string') throw ended
  return 0
}

/** With no grace at all the second round removes what the first has condemned. */
async function collectGarbage(
  settings: Settings,
  {
    dryRun,
    deleteUntagged,
    graceMs = settings.collecting.graceMs,
  }: Omit<CollectOptions, 'graceMs'> & { graceMs: number | undefined },
): Promise<number> {
  await using store = await openStore(settings.storage)
  const collector = { store, clock: systemClock, log: createLog('warn') }
  let total = { manifests: 0, condemned: 0, removed: 0, removedBytes: 0 }
  for (let round = 0; round < (graceMs === 0 && !dryRun ? 2 : 1); round++) {
    const done = await collect(collector, { graceMs, deleteUntagged, dryRun })
    total = {
      manifests: done.manifests,
      condemned: total.condemned + done.condemned,
      removed: total.removed + done.removed,
      removedBytes: total.removedBytes + done.removedBytes,
    }
  }
  const { manifests, condemned, removed, removedBytes } = total
  return print(
    `${manifests} manifests marked, ${condemned} blobs newly condemned, ${removed} blobs of ${removedBytes} bytes ${dryRun ? 'to be removed' : 'removed'}\n`,
  )
}

async function scrubStore(settings: Settings): Promise<number> {
  await using store = await openStore(settings.storage)
  const { blobs, bytes, bad } = await scrub({ store, clock: systemClock, log: createLog('warn') })
  print(`${blobs} blobs of ${bytes} bytes read, ${bad.length} damaged\n${bad.map((digest) => `${digest}\n`).join('')}`)
  return bad.length === 0 ? 0 : 1
}

function withFields(
  log: ReturnType<typeof createLog>,
  fields: Settings['log']['fields'],
): ReturnType<typeof createLog> {
  return {
    debug: (message, own) => log.debug(message, { ...fields, ...own }),
    info: (message, own) => log.info(message, { ...fields, ...own }),
    warn: (message, own) => log.warn(message, { ...fields, ...own }),
    error: (message, own) => log.error(message, { ...fields, ...own }),
  }
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}
