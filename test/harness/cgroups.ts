// Groups of a test's own, and the same test once more where the unified hierarchy stands alone.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Cgroup, CgroupEntrance } from '../../src/linux/cgroup/cgroup.ts'

/** This process is the second run. */
export const IN_V2 = process.env['BERTH_TEST_CGROUP2'] === '1'

const UNIFIED = '/sys/fs/cgroup/unified'

/** Runs a test file again with nothing but the unified tree at /sys/fs/cgroup, as on a host that has v2 only. */
export function runAgainInV2(t: TestContext, file: string): void {
  if (!existsSync(`${UNIFIED}/cgroup.procs`)) return t.skip('no second hierarchy to try it on')
  const script = [
    'mount --make-rprivate /',
    `mount --bind ${UNIFIED} /mnt`,
    'umount --recursive --lazy /sys/fs/cgroup',
    'mount --move /mnt /sys/fs/cgroup',
    'exec "$0" "$1"',
  ].join(' && ')
  const { NODE_TEST_CONTEXT: _, ...env } = process.env // or the child would report in the runner's own format
  const child = spawnSync('unshare', ['--mount', 'sh', '-c', script, process.execPath, fileURLToPath(file)], {
    env: { ...env, BERTH_TEST_CGROUP2: '1' },
    encoding: 'utf8',
    timeout: 60_000,
  })
  assert.equal(child.status, 0, child.stdout + child.stderr)
  assert.match(child.stdout, /^# pass [1-9]/m)
}

/** A process that waits for a line before it goes on, moved into the group first. */
export async function startIn(group: Cgroup, script: string): Promise<ChildProcess> {
  const child = await startOutside(script)
  writeInto(group.entry(), child.pid ?? -1)
  child.stdin!.write('go\n')
  return child
}

/** The same, not moved yet: `stdin` gets the line from the test. */
export async function startOutside(script: string): Promise<ChildProcess> {
  const child = spawn('sh', ['-c', `read go; ${script}`], { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(child, 'spawn')
  return child
}

/** What the steps and the directory of an entrance do, done from outside. */
export function writeInto({ steps, directory }: CgroupEntrance, pid: number): void {
  const files = steps.flatMap((step) => (step.op === 'write-file' ? [step.path] : []))
  if (directory !== undefined) files.push(`${directory}/cgroup.procs`)
  for (const file of files) writeFileSync(file, String(pid))
}

export async function outputOf(child: ChildProcess): Promise<string> {
  let text = ''
  child.stdout!.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  await once(child, 'close')
  return text.trim()
}

export async function until(condition: () => boolean, what = 'the condition'): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!condition()) {
    if (performance.now() > deadline) assert.fail(`${what} did not come`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
