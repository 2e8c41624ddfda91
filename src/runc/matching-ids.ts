// Ids by a pattern (crun's --regex).
import { listIds } from './state-store.ts'

/** The pattern is the caller’s own, and so is the time it takes. */
export function matchingIds(root: string, pattern: string): string[] {
  const matcher = new RegExp(pattern)
  return listIds(root).filter((id) => matcher.test(id))
}
