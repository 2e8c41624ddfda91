// A public test suite of OCI runtimes: what it is made of, and what a run of one of its programs gives.

export interface Suite {
  name: string
  /** Of what was fetched; a new one makes remembered results void. */
  version: string
  /** Fetches by module name, builds; nothing to do when it is there already. */
  prepare(): Promise<void>
  /** In the order in which they run. */
  programs(): Promise<readonly string[]>
  run(program: string, runtime: Runtime): Promise<Outcome>
}

export interface Runtime {
  name: string
  path: string
}

/** Assertions by their own words, each once. */
export interface Outcome {
  passed: readonly string[]
  failed: readonly string[]
  skipped: readonly string[]
}

/** Reads the Test Anything Protocol. What happened besides (an exit code, a diagnostic where nothing was asserted) counts as an assertion of its own. */
export function parseTap(text: string, exitCode: number): Outcome {
  const [passed, failed, skipped] = [new Set<string>(), new Set<string>(), new Set<string>()]
  for (const line of text.split('\n')) {
    const [, not, words = ''] = /^(not )?ok\b\s*\d*\s*(?:-\s*)?(.*)$/.exec(line) ?? []
    if (!/^(?:not )?ok\b/.test(line)) continue
    const title = steady(words.replace(/ # (?:skip|SKIP|in \d+).*$/, ''))
    if (/ # skip\b/i.test(line)) skipped.add(title)
    else (not === undefined ? passed : failed).add(title)
  }
  const planned = /^1\.\.(\d+)/m.exec(text)?.[1]
  if (planned === '0') {
    const error = /"error": "((?:[^"\\]|\\.)*)"/.exec(text)?.[1]
    if (error === undefined) passed.add('no complaint')
    else failed.add(steady(error.split('\\n')[0] ?? error))
  }
  if (exitCode !== 0 && failed.size === 0) failed.add(`exit status ${exitCode}`)
  for (const title of failed) passed.delete(title) // said twice, once with another outcome
  return { passed: [...passed], failed: [...failed], skipped: [...skipped] }
}

/** Without what differs from run to run. */
function steady(words: string): string {
  return words
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<id>')
    .replace(/\/tmp\/\S+/g, '<path>')
    .replace(/\bpid \d+/g, 'pid <n>')
    .trim()
}
