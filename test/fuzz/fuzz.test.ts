import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { ROOT } from '../harness/root.ts'
import { fuzz, newSeed } from './fuzz.ts'
import { attempt, TARGETS } from './targets.ts'

for (const [name, target] of Object.entries(TARGETS))
  test(`${name}: broken input is refused in due form, and soon`, async () => {
    const taken = await Promise.all(target.samples.map((sample) => attempt(target, sample)))
    assert.ok(taken.includes(true), 'no sample is right')
    assert.ok((await fuzz(name, target, { seed: newSeed(), durationMs: 100 })).runs > 0)
  })

const HAS_SANITIZERS = spawnSync('sh', [
  '-c',
  'echo "int main(void){return 0;}" | gcc -fsanitize=address,undefined -x c -o /dev/null -',
])

test('the fuzzers of the C are built, and find nothing in a second each', { skip: HAS_SANITIZERS.status !== 0 }, () => {
  const { status, stdout, stderr } = spawnSync('make', ['-s', '-C', ROOT, 'fuzz-native', 'FUZZ_SECONDS=1'], {
    encoding: 'utf8',
  })
  assert.equal(status, 0, `${stdout}${stderr}`)
})
