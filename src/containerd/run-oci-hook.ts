// `oci-hook`: a hook of the OCI runtime specification that runs a program with the container's particulars in its arguments.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { constants } from 'node:os'
import { Failure } from '../base/failure.ts'

interface HookState {
  id: string
  pid: number
  status: string
  bundle: string
  annotations: Record<string, string>
}

/** @param input the container's state, as runtimes give it to hooks. @returns the program's exit code. */
export function runOciHook(input: string, words: readonly string[]): number {
  const state = parseState(input)
  const [program, ...args] = words.map((word) => expand(word, state))
  if (program === undefined || program === '') throw new Failure('invalid-argument', 'oci-hook: no program is given')
  const { status, signal, error } = spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  if (error !== undefined)
    throw new Failure('not-found', `exec: ${JSON.stringify(program)}: ${(error as NodeJS.ErrnoException).code}`, {
      cause: error,
    })
  return status ?? 128 + (signal === null ? 0 : constants.signals[signal])
}

function parseState(text: string): HookState {
  const state = JSON.parse(text) as Partial<HookState> | null
  if (typeof state?.id !== 'string' || typeof state.bundle !== 'string')
    throw new Failure('invalid-argument', 'standard input is no state of a container')
  const { id, bundle, pid = 0, status = '', annotations = {} } = state
  return { id, bundle, pid, status, annotations }
}

/** `{{id}}`, `{{pid}}`, `{{rootfs}}`, `{{bundle}}`, `{{status}}` and `{{annotation "key"}}`. Throws for anything else in double braces. */
function expand(word: string, state: HookState): string {
  return word.replace(/\{\{-?\s*(.*?)\s*-?\}\}/g, (_whole, action: string) => {
    const key = /^annotation\s+"((?:\\.|[^"\\])*)"$/.exec(action)?.[1]
    if (key !== undefined) return state.annotations[key.replace(/\\(.)/g, '$1')] ?? ''
    if (action === 'rootfs') return rootfsOf(state.bundle)
    if (action === 'id' || action === 'pid' || action === 'bundle' || action === 'status') return String(state[action])
    throw new Failure('invalid-argument', `oci-hook: function ${JSON.stringify(action)} not defined`)
  })
}

function rootfsOf(bundle: string): string {
  const { root } = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8')) as { root?: { path?: string } }
  return resolve(bundle, root?.path ?? 'rootfs')
}
