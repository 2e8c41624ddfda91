// docker-init, as `info` and `version` tell of it: its name, and what it says of itself.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { specDefaults } from '../container/spec-facts.ts'
import type { Engine } from '../engine.ts'

export interface InitProgram {
  name: string
  /** Empty where it says none, or where it is not installed. */
  version: string
  commit: string
}

const ASK_MS = 5_000
const asked = new Map<string, Promise<string>>()

export async function initProgram(engine: Engine): Promise<InitProgram> {
  const name = engine.config.initPath ?? 'docker-init'
  const path = specDefaults(engine).initPath
  const said = path === undefined ? '' : await ask(path)
  // `tini version 0.19.0 - git.de40ad0`
  const [, version = '', commit = ''] = /\bversion (\S+)(?: - git\.([0-9a-f]+))?/.exec(said) ?? []
  return { name, version, commit }
}

/** Once per program: it is asked for with every `info`. */
function ask(path: string): Promise<string> {
  const known = asked.get(path)
  if (known !== undefined) return known
  const asking = promisify(execFile)(path, ['--version'], { timeout: ASK_MS }).then(
    ({ stdout }) => stdout,
    () => '',
  )
  asked.set(path, asking)
  return asking
}
