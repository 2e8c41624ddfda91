// `exec --cgroup [<controller>[,<controller>]:]<path>`.
import { Failure } from '../base/failure.ts'
import type { Subgroups } from '../linux/cgroup/cgroup.ts'

/** undefined where none is given. Throws Failure('invalid-argument') in runc's words. */
export function parseSubgroups(given: readonly string[]): Subgroups | undefined {
  if (given.length === 0) return undefined
  const paths = new Map<string, string>()
  for (const text of given) {
    const parts = text.split(':')
    const [first = '', path] = parts
    if (parts.length > 2) throw new Failure('invalid-argument', `invalid --cgroup argument: ${text}`)
    if (path === undefined) {
      if (given.length > 1)
        throw new Failure('invalid-argument', `invalid --cgroup argument: ${text} (missing <controller>: prefix)`)
      paths.set('', first)
      continue
    }
    for (const controller of first.split(',')) {
      if (paths.has(controller))
        throw new Failure(
          'invalid-argument',
          `invalid --cgroup argument(s): controller ${controller} specified multiple times`,
        )
      paths.set(controller, path)
    }
  }
  return Object.fromEntries(paths)
}
