// Puts the default profile into the kernel, by apparmor_parser.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { Failure } from '../../base/failure.ts'
import { Mutex } from '../../base/mutex.ts'
import { readQuietly } from '../system/host-facts.ts'
import { type AppArmorFacts, DEFAULT_PROFILE, isEnabled, isLoaded, UNCONFINED } from './choose-profile.ts'
import { defaultProfile } from './default-profile.ts'

const PARSER = 'apparmor_parser'
/** It compiles for a second or two. */
const LIMIT_MS = 60_000
const CONFIGURATION = '/etc/apparmor.d'

export function readAppArmorFacts(): AppArmorFacts {
  return {
    enabled: readQuietly('/sys/module/apparmor/parameters/enabled'),
    profiles: readQuietly('/sys/kernel/security/apparmor/profiles'),
    container: process.env['container'],
  }
}

const turn = new Mutex()

/**
 * At the daemon's start, in place of one that another version loaded; afterwards wherever a process is to run under it: updates of AppArmor unload
 * what is not in its own configuration. Throws `unknown` in Docker's words.
 * @param options.isForced also where one of that name is loaded.
 */
export function ensureDefaultProfile(options: { isForced?: boolean } = {}): Promise<void> {
  return turn.run(async () => {
    const facts = readAppArmorFacts()
    if (isEnabled(facts) && (options.isForced === true || !isLoaded(facts, DEFAULT_PROFILE))) await load()
  })
}

async function load(): Promise<void> {
  const text = defaultProfile({
    name: DEFAULT_PROFILE,
    daemonProfile: ownProfile(
      readQuietly('/proc/self/attr/apparmor/current') ?? readQuietly('/proc/self/attr/current'),
    ),
    hasTunables: existsSync(`${CONFIGURATION}/tunables/global`),
    hasAbstractions: existsSync(`${CONFIGURATION}/abstractions/base`),
  })
  const program = (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((directory) => join(directory, PARSER))
    .find((path) => existsSync(path))
  if (program === undefined) throw refusal(PARSER, '', `exec: "${PARSER}": executable file not found in $PATH`)
  await new Promise<void>((resolve, reject) => {
    // -K: without a cache, of which there is none for standard input; -r: in place of what is there.
    const child = execFile(program, ['-Kr'], { timeout: LIMIT_MS }, (error, stdout, stderr) => {
      if (error === null) return resolve()
      const reason = error.signal ? `signal: ${error.signal}` : `exit status ${error.code}`
      reject(refusal(program, stdout + stderr, reason))
    })
    child.stdin?.on('error', () => {}) // it ended without reading: its exit says why
    child.stdin?.end(text)
  })
}

/** Of `name (mode)` or `name`; a daemon without a profile is unconfined. */
export function ownProfile(label: string | undefined): string {
  return label?.trim().replace(/ \([a-z]+\)$/, '') || UNCONFINED
}

function refusal(program: string, output: string, reason: string): Failure {
  return new Failure(
    'unknown',
    `AppArmor enabled on system but the ${DEFAULT_PROFILE} profile could not be loaded: running '${program} -Kr' failed with output: ${output}\nerror: ${reason}`,
  )
}
