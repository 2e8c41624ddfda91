// In processes of their own: what is tested is whether they live.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

const HEAD = `
  import { createLog } from '${import.meta.resolve('./log.js')}'
  import { runOperation } from '${import.meta.resolve('./operation.js')}'
  import { expectRejections, strayErrorCounts, watchStrayErrors } from '${import.meta.resolve('./stray-errors.js')}'
  const log = createLog('info', undefined, 'json')
  const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
`

function runScript(body: string): { status: number | null; lines: Record<string, unknown>[]; stdout: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', HEAD + body], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  const lines = stderr.split('\n').filter((line) => line.startsWith('{'))
  return { status, stdout, lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>) }
}

test('a rejection that nobody handles is logged with its stack and its operation, counted, and survived', () => {
  const { status, stdout, lines } = runScript(`
    watchStrayErrors(log, 1000)
    runOperation('GET /a', () => { void (async () => { await later(1); throw new Error('first') })() })
    runOperation('GET /b', () => { void Promise.reject({ odd: 1 }) })
    void Promise.reject(new Error('of nobody'))
    await later(50)
    console.log(JSON.stringify(strayErrorCounts()))
  `)
  assert.deepEqual([status, JSON.parse(stdout)], [0, { rejections: 3, exceptions: 0 }])
  const byError = (text: string) => lines.find(({ error }) => String(error).includes(text))
  assert.equal(byError('first')?.['operation'], 'GET /a#1')
  assert.match(String(byError('first')?.['error']), /^Error: first\n {4}at /)
  assert.equal(byError('odd')?.['operation'], 'GET /b#2')
  assert.equal(byError('of nobody')?.['operation'], undefined)
})

test('an exception that nobody catches is told to whoever closes, and ends the process where closing hangs', () => {
  const orderly = runScript(`
    const broken = watchStrayErrors(log, 60_000)
    setTimeout(() => { throw new Error('torn') }, 1)
    console.log('closed after', (await broken).message)
    process.exit(7)
  `)
  assert.deepEqual([orderly.status, orderly.stdout], [7, 'closed after torn\n'])
  assert.match(String(orderly.lines[0]?.['error']), /^Error: torn\n {4}at /)
  const hanging = runScript(`
    watchStrayErrors(log, 50)
    setInterval(() => {}, 1000)
    setTimeout(() => { throw new Error('torn') }, 1)
  `)
  assert.equal(hanging.status, 1)
})

test('a rejection that a library is known for is neither told nor counted; without a watch any other ends the process', () => {
  const watched = runScript(`
    expectRejections((reason) => reason === 'known')
    watchStrayErrors(log, 1000)
    void Promise.reject('known')
    await later(20)
    console.log(strayErrorCounts().rejections)
  `)
  assert.deepEqual([watched.status, watched.stdout, watched.lines], [0, '0\n', []])
  const alone = `expectRejections((reason) => reason === 'known'); void Promise.reject('known'); await later(20)`
  assert.equal(runScript(alone).status, 0)
  assert.notEqual(runScript(`${alone}; void Promise.reject(new Error('other')); await later(1000)`).status, 0)
})
