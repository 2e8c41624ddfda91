// The versions of the Engine API that are spoken, and the program's own.

/** The newest API version, and what a path without version means. */
export const API_VERSION = '1.52'
export const API_VERSION_MIN = '1.24'

/** Of client and daemons alike; package.json holds the same (a test says so). */
export const BERTH_VERSION = '0.1.0'

/** Below 0, 0 or above 0, as `left` is older than, equal to or newer than `right`; missing parts count as 0. */
export function compareVersions(left: string, right: string): number {
  const [a, b] = [left.split('.'), right.split('.')]
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (Number(a[i] ?? 0) || 0) - (Number(b[i] ?? 0) || 0)
    if (difference !== 0) return difference
  }
  return 0
}
