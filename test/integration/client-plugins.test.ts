// CLI plugins under berth and under docker: the same programs are found, listed, refused and run, with the same words and codes.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startEngine, type TestEngine } from '../harness/berth.ts'
import { run } from '../harness/command.ts'
import { skipWithoutDocker28 } from '../harness/docker-cli.ts'
import { BIN } from '../harness/root.ts'

const directory = mkdtempSync(join(tmpdir(), 'client-plugins-'))
const ENV = { DOCKER_CONFIG: directory, DOCKER_HOST: 'unix:///nonexistent.sock', BERTH_HOST: '', TERM: 'xterm' }

const plugin = (metadata: string, body: string) =>
  `#!/bin/sh\nif [ "$1" = docker-cli-plugin-metadata ]; then ${metadata}; exit; fi\n${body}\n`
const telling = (fields: object) => `echo '${JSON.stringify({ SchemaVersion: '0.1.0', Vendor: 'Us', ...fields })}'`
const HELLO = telling({ Version: 'v1.2.3', ShortDescription: 'Says hello', URL: 'https://example.com/<x>' })

const PLUGINS: Record<string, string> = {
  'docker-hello': plugin(HELLO, 'echo "$# words: $*"; for word in "$@"; do [ "$word" = fail ] && exit 7; done; cat'),
  'docker-killed': plugin(telling({}), 'echo "$*"; kill -KILL $$'),
  'docker-ps': plugin(telling({}), 'echo never'),
  'docker-Big': plugin(telling({}), 'echo never'),
  'docker-failing': plugin('exit 3', 'echo never'),
  'docker-nothing': plugin('true', 'echo never'),
  'docker-nobody': plugin(telling({ Vendor: '' }), 'echo never'),
  'docker-later': plugin(telling({ SchemaVersion: '2' }), 'echo never'),
  'docker-averyverylongname': plugin(telling({ ShortDescription: 'Wide' }), 'echo wide'),
  'other-program': plugin(telling({}), 'echo never'),
}

before(() => {
  for (const place of ['cli-plugins', 'more']) mkdirSync(join(directory, place))
  for (const [name, text] of Object.entries(PLUGINS))
    writeFileSync(join(directory, 'cli-plugins', name), text, { mode: 0o755 })
  writeFileSync(join(directory, 'cli-plugins/docker-plain'), PLUGINS['docker-hello'] ?? '')
  mkdirSync(join(directory, 'cli-plugins/docker-folder'))
})

after(() => rmSync(directory, { recursive: true, force: true }))

function mask(text: string): string {
  return text
    .replace(/(?<![a-z])[Bb]erth\b/g, (name) => (name === 'berth' ? 'docker' : 'Docker'))
    .replace(/^( Version: +)\S+$/m, '$1<version>')
}

async function both(words: readonly string[], env: Record<string, string> = {}, input = 'typed\n') {
  const sides = [join(BIN, 'berth'), 'docker'].map(async (program) => {
    const { code, stdout, stderr } = await run([program, ...words], { env: { ...ENV, ...env }, input })
    return { code, stdout: mask(stdout), stderr: mask(stderr) }
  })
  return Promise.all(sides)
}

const LINES = [
  ...[
    'hello',
    'hello a --b -c=d',
    '-D hello --help',
    'hello fail',
    'help hello',
    'help hello fail',
    'help killed',
    'killed x',
  ],
  ...[
    'averyverylongname',
    'ps',
    'Big',
    'failing',
    'nothing',
    'nobody',
    'later',
    'plain',
    'folder',
    'help failing',
    'absent',
  ],
  ...[
    '-H tcp://127.0.0.1:1 hello',
    '--context no-such hello',
    'container hello',
    '__complete hello x',
    '__complete hello ',
  ],
]

test('the same plugins run, with the same words, input and code', { skip: skipWithoutDocker28 }, async () => {
  for (const line of LINES) {
    const [mine, other] = await both(line.split(' '))
    assert.deepEqual(mine, other, line)
  }
})

test('the same are listed by info', { skip: skipWithoutDocker28 }, async () => {
  for (const format of [
    '',
    '{{json .ClientInfo.Plugins}}',
    '{{range .ClientInfo.Plugins}}{{.Name}} {{.Vendor}} {{.Err}}\n{{end}}',
  ]) {
    const [mine, other] = await both(['info', ...(format === '' ? [] : ['-f', format])])
    // Where nobody answers the two clients say so in words of their own.
    assert.deepEqual(mine?.stdout, other?.stdout, format)
    const warnings = [mine, other].map((side) => side?.stderr.split('\n').filter((line) => line.startsWith('WARNING')))
    assert.deepEqual(warnings[0], warnings[1])
    if (format === '') assert.equal(warnings[0]?.length, 7)
  }
})

test('the same are listed by the help and offered for completion', { skip: skipWithoutDocker28 }, async () => {
  const rows = (text = '') => ({
    valid: text.split('\n').filter((line) => /^ {2}\w+\*/.test(line)),
    invalid: /Invalid Plugins:\n([\s\S]*?)\n\n/.exec(text)?.[1]?.split('\n'),
    run: text.split('\n').filter((line) => /^ {2}(?:run|attach|volume) /.test(line)),
  })
  for (const words of [['--help'], ['help']]) {
    const [mine, other] = (await both(words)).map(({ stdout }) => rows(stdout))
    assert.deepEqual(mine, other)
    assert.equal(mine?.valid.length, 3)
  }
  const offers = (await both(['__complete', ''])).map(({ stdout }) =>
    stdout.split('\n').filter((line) => /^(?:hello|killed|averyverylongname|failing|Big|later|plain)\b/.test(line)),
  )
  assert.deepEqual(offers[0], offers[1])
  assert.equal(offers[0]?.length, 7)
})

test('directories of the configuration come first', { skip: skipWithoutDocker28 }, async () => {
  const first = PLUGINS['docker-hello']?.replace('words', 'other words') ?? ''
  writeFileSync(join(directory, 'more/docker-hello'), first, { mode: 0o755 })
  writeFileSync(
    join(directory, 'config.json'),
    JSON.stringify({ cliPluginsExtraDirs: ['/no/such', join(directory, 'more')] }),
  )
  for (const words of [['hello'], ['info', '-f', '{{json .ClientInfo.Plugins}}']]) {
    const [mine, other] = await both(words)
    assert.deepEqual(mine?.stdout, other?.stdout)
    assert.match(mine?.stdout ?? '', /other words|ShadowedPaths/)
  }
  rmSync(join(directory, 'config.json'))
})

test('a plugin that calls the client back, or the engine itself, reaches the same engine', async () => {
  const engine: TestEngine = await startEngine()
  try {
    const body = 'echo "$DOCKER_HOST"; "$DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND" info -f "{{.ID}}"'
    writeFileSync(join(directory, 'cli-plugins/docker-asking'), plugin(telling({}), body), { mode: 0o755 })
    const id = await engine.ok('info', '-f', '{{.ID}}')
    const env = { ...ENV, DOCKER_HOST: '', BERTH_HOST: engine.host }
    const called = await run([join(BIN, 'berth'), 'asking'], { env })
    assert.deepEqual([called.code, called.stdout], [0, `${engine.host}\n${id}\n`], called.stderr)
  } finally {
    await engine[Symbol.asyncDispose]()
  }
})
