import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { LogRequest } from './read-log.ts'
import { readLog } from './read-log.ts'

const ALL: LogRequest = {
  stdout: true,
  stderr: true,
  since: undefined,
  until: undefined,
  timestamps: false,
  details: false,
  framed: false,
  tail: undefined,
  follow: false,
}

function line(text: string, stream: 'stdout' | 'stderr' = 'stdout', time = '2026-01-02T03:04:05.5Z'): string {
  return `${JSON.stringify({ log: text, stream, time })}\n`
}

class LogDirectory implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'berth-log-'))
  readonly path = join(this.directory, 'x-json.log');

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}

async function read(path: string, request: Partial<LogRequest> = {}): Promise<Buffer> {
  const chunks: Buffer[] = []
  const sink = async (bytes: Buffer) => {
    chunks.push(bytes)
  }
  const ended = Promise.resolve()
  await readLog({ path, format: 'json-file', ended }, { ...ALL, ...request }, sink, new AbortController().signal)
  return Buffer.concat(chunks)
}

/** Follows a log; `text()` resolves once so much has come. */
class Follower {
  readonly #end: () => void
  readonly done: Promise<void>
  readonly abort = new AbortController()
  #text = ''
  #wake: () => void = () => {}

  constructor(path: string, request: Partial<LogRequest> = {}) {
    let end: () => void = () => {}
    const ended = new Promise<void>((resolve) => {
      end = resolve
    })
    this.#end = end
    const sink = async (bytes: Buffer) => {
      this.#text += bytes.toString()
      this.#wake()
    }
    this.done = readLog(
      { path, format: 'json-file', ended },
      { ...ALL, ...request, follow: true },
      sink,
      this.abort.signal,
    )
  }

  /** Bounded by the test runner's own limit. */
  async until(text: string): Promise<void> {
    while (!this.#text.includes(text)) await new Promise<void>((resolve) => (this.#wake = resolve))
  }

  async finish(): Promise<string> {
    this.#end()
    await this.done
    return this.#text
  }
}

test('a log that does not exist is empty', async () => {
  using log = new LogDirectory()
  assert.equal((await read(log.path)).length, 0)
})

test('entries are framed one by one, by stream', async () => {
  using log = new LogDirectory()
  writeFileSync(log.path, line('out\n') + line('err\n', 'stderr'))
  assert.deepEqual(
    await read(log.path, { framed: true }),
    Buffer.from('\x01\0\0\0\0\0\0\x04out\n\x02\0\0\0\0\0\0\x04err\n'),
  )
  assert.equal((await read(log.path, { stderr: false })).toString(), 'out\n')
  assert.equal((await read(log.path, { stdout: false })).toString(), 'err\n')
})

test('timestamps have nine digits, details stand behind them', async () => {
  using log = new LogDirectory()
  writeFileSync(log.path, line('a\n'))
  assert.equal((await read(log.path, { timestamps: true })).toString(), '2026-01-02T03:04:05.500000000Z a\n')
  writeFileSync(
    log.path,
    '{"log":"a\\n","stream":"stdout","attrs":{"z":"1 2","b":"ü"},"time":"2026-01-02T03:04:05Z"}\n',
  )
  assert.equal(
    (await read(log.path, { timestamps: true, details: true })).toString(),
    '2026-01-02T03:04:05.000000000Z b=%C3%BC,z=1+2 a\n',
  )
})

test('rotated files come first, the oldest foremost', async () => {
  using log = new LogDirectory()
  writeFileSync(`${log.path}.2`, line('1\n'))
  writeFileSync(`${log.path}.1`, line('2\n') + line('3\n'))
  writeFileSync(log.path, line('4\n'))
  assert.equal((await read(log.path)).toString(), '1\n2\n3\n4\n')
})

test('tail counts lines from the end, across files', async () => {
  using log = new LogDirectory()
  writeFileSync(`${log.path}.2`, line('1\n'))
  writeFileSync(`${log.path}.1`, line('2\n') + line('3\n'))
  writeFileSync(log.path, line('4\n') + line('5\n'))
  const expected = ['', '5\n', '4\n5\n', '3\n4\n5\n', '2\n3\n4\n5\n', '1\n2\n3\n4\n5\n', '1\n2\n3\n4\n5\n']
  for (const [tail, text] of expected.entries())
    assert.equal((await read(log.path, { tail })).toString(), text, `tail ${tail}`)
})

test('tail finds its start in a file of many blocks', async () => {
  using log = new LogDirectory()
  const lines = Array.from({ length: 20_000 }, (_, index) => line(`${index}\n`))
  writeFileSync(log.path, lines.join(''))
  const text = (await read(log.path, { tail: 15_000 })).toString()
  assert.equal(text.split('\n').length - 1, 15_000)
  assert.ok(text.startsWith('5000\n') && text.endsWith('\n19999\n'))
})

test('since and until choose entries by time, both ends included', async () => {
  using log = new LogDirectory()
  const times = ['05Z', '06Z', '06.5Z', '07Z', '08Z'].map((end) => `2026-01-02T03:04:${end}`)
  writeFileSync(log.path, times.map((time, index) => line(`${index}\n`, 'stdout', time)).join(''))
  const range = { since: '2026-01-02T03:04:06.000000000Z', until: '2026-01-02T03:04:07.000000000Z' }
  assert.equal((await read(log.path, range)).toString(), '1\n2\n3\n')
})

test('a damaged line is passed over, an unfinished one is not shown', async () => {
  using log = new LogDirectory()
  writeFileSync(log.path, `${line('1\n')}\0\0\0garbage\n\n${line('2\n')}{"log":"half`)
  assert.equal((await read(log.path)).toString(), '1\n2\n')
})

test('lines longer than any chunk come whole, endless ones are skipped', async () => {
  using log = new LogDirectory()
  const long = 'é"\n'.repeat(200_000)
  writeFileSync(log.path, `${line('1\n')}${line(long)}${line('2\n')}${'x'.repeat(3 << 20)}\n${line('3\n')}`)
  assert.equal((await read(log.path)).toString(), `1\n${long}2\n3\n`)
})

test('follow gives what is written later, and ends with the container', async () => {
  using log = new LogDirectory()
  writeFileSync(log.path, line('1\n'))
  const follower = new Follower(log.path)
  await follower.until('1\n')
  appendFileSync(log.path, '{"log":"2\\n","str')
  appendFileSync(log.path, 'eam":"stdout","time":"2026-01-02T03:04:05Z"}\n')
  await follower.until('2\n')
  appendFileSync(log.path, line('3\n'))
  assert.equal(await follower.finish(), '1\n2\n3\n')
})

test('follow waits for a log that is not there yet', async () => {
  using log = new LogDirectory()
  const follower = new Follower(log.path)
  writeFileSync(log.path, line('1\n'))
  await follower.until('1\n')
  assert.equal(await follower.finish(), '1\n')
})

test('follow neither loses nor repeats a line over rotations, many at a time among them', async () => {
  using log = new LogDirectory()
  const keep = 5
  const rotate = () => {
    for (let n = keep - 1; n > 1; n--) {
      try {
        renameSync(`${log.path}.${n - 1}`, `${log.path}.${n}`)
      } catch {
        // not that many yet
      }
    }
    renameSync(log.path, `${log.path}.1`)
  }
  writeFileSync(log.path, '')
  const follower = new Follower(log.path)
  let expected = ''
  for (let n = 0; n < 120; n++) {
    appendFileSync(log.path, line(`line ${n}\n`))
    expected += `line ${n}\n`
    // Up to three rotations before the follower can look: as many as there are files to find the way back.
    if (n % 4 !== 3) {
      rotate()
      writeFileSync(log.path, '')
    } else await follower.until(`line ${n}\n`)
  }
  assert.equal(await follower.finish(), expected)
})

test('follow of the last lines starts there', async () => {
  using log = new LogDirectory()
  writeFileSync(log.path, line('1\n') + line('2\n'))
  const follower = new Follower(log.path, { tail: 1 })
  await follower.until('2\n')
  appendFileSync(log.path, line('3\n'))
  await follower.until('3\n')
  assert.equal(await follower.finish(), '2\n3\n')
})

test('follow stops when its client goes', async () => {
  using log = new LogDirectory()
  writeFileSync(log.path, line('1\n'))
  const follower = new Follower(log.path)
  await follower.until('1\n')
  follower.abort.abort()
  await follower.done
})

test('until ends a follow by the clock though nothing is written', async () => {
  using log = new LogDirectory()
  writeFileSync(log.path, line('1\n'))
  const follower = new Follower(log.path, { until: '2026-01-02T03:04:06.000000000Z' })
  await follower.done
})

test('without follow a log that grows while it is read ends where it ended', async () => {
  using log = new LogDirectory()
  const before = 20_000
  for (let index = 0; index < before; index++) appendFileSync(log.path, line(`${index}\n`))
  let text = ''
  const sink = async (bytes: Buffer) => {
    text += bytes.toString()
    appendFileSync(log.path, line('later\n'))
  }
  await readLog(
    { path: log.path, format: 'json-file', ended: Promise.resolve() },
    ALL,
    sink,
    new AbortController().signal,
  )
  assert.equal(text.split('\n').length - 1, before)
  assert.doesNotMatch(text, /later/)
})
