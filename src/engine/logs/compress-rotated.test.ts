import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { compressRotated } from './compress-rotated.ts'

function rotated(context: TestContext, ...names: string[]): { directory: string; path: string } {
  const directory = mkdtempSync(join(tmpdir(), 'berth-rotated-'))
  context.after(() => rmSync(directory, { recursive: true }))
  for (const name of names) writeFileSync(join(directory, name), name)
  return { directory, path: join(directory, 'c.log') }
}

test('what is rotated is compressed, whatever its number is, and nothing else', async (context) => {
  const { directory, path } = rotated(
    context,
    'c.log',
    'c.log.1',
    'c.log.9',
    'c.log.2.gz',
    'c.log.old',
    'c.log.1000000000',
  )
  await compressRotated({ flock() {} }, path)
  const names = ['c.log', 'c.log.1.gz', 'c.log.1000000000.gz', 'c.log.2.gz', 'c.log.9.gz', 'c.log.old']
  assert.deepEqual(readdirSync(directory).sort(), names)
  assert.equal(gunzipSync(readFileSync(join(directory, 'c.log.9.gz'))).toString(), 'c.log.9')
})

test('what fails leaves the file as it was, and no draft beside it', async (context) => {
  const { directory, path } = rotated(context, 'c.log.1')
  const flock = () => {
    throw new Error('no')
  }
  await assert.rejects(compressRotated({ flock }, path), { message: 'no' })
  assert.deepEqual(readdirSync(directory), ['c.log.1'])
})

test('a file that moves up meanwhile, past one that is compressed already, is found; so is what comes after it', async (context) => {
  const { directory, path } = rotated(context, 'c.log.1', 'c.log.2.gz')
  let hasRotated = false
  const flock = () => {
    if (hasRotated) return
    hasRotated = true
    renameSync(`${path}.2.gz`, `${path}.3.gz`)
    renameSync(`${path}.1`, `${path}.4`)
    writeFileSync(`${path}.1`, 'new')
  }
  await compressRotated({ flock }, path)
  assert.deepEqual(readdirSync(directory).sort(), ['c.log.1.gz', 'c.log.3.gz', 'c.log.4.gz'])
  assert.equal(gunzipSync(readFileSync(`${path}.4.gz`)).toString(), 'c.log.1')
  assert.equal(gunzipSync(readFileSync(`${path}.1.gz`)).toString(), 'new')
})
