// The program: its command line, and the registry's life from its configuration to its last signal.
import { readFileSync } from 'node:fs'
import { messageOf } from '../../base/failure.ts'
import { createLog } from '../../base/log.ts'
import { parseCommandLine, USAGE } from './config/command-line.ts'
import { parseConfig } from './config/parse-config.ts'
import type { Settings } from './config/settings.ts'
import { openRegistry } from './open-registry.ts'

const VERSION = '0.1.0'

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
  const running = await openRegistry(settings, log)
  const signal = await new Promise<string>((resolve) => {
    process.once('SIGTERM', resolve)
    process.once('SIGINT', resolve)
  })
  log.info('draining', { signal })
  await running.close()
  return 0
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
