// login and logout by docker and by berth, on one engine and a registry that wants a password; credentials in the file and with a helper.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { type TestEngine, startEngine } from '../harness/berth.ts'
import { assertSameStory, PROGRAMS, type StorySetting, tell } from '../harness/client-stories.ts'
import { run } from '../harness/command.ts'
import { skipWithoutDocker28 } from '../harness/docker-cli.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'

let engine: TestEngine
let registry: TestRegistry
let setting: StorySetting

/** Keeps what it is given in a file of its own; speaks the protocol of docker-credential-helpers. */
const HELPER = `#!/bin/sh
store="$DOCKER_CONFIG/kept"
case $1 in
  store) cat >"$store" ;;
  get) if [ -f "$store" ]; then cat "$store"; else echo credentials not found in native keychain; exit 1; fi ;;
  erase) if [ -f "$store" ]; then rm "$store"; else echo nothing here; exit 1; fi ;;
esac
`

before(async () => {
  engine = await startEngine()
  const { directory } = engine
  // bcrypt of `secret`, as `htpasswd -B` writes it.
  await writeFile(`${directory}/htpasswd`, 'me:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n')
  registry = await startRegistry(`${directory}/registry`, { htpasswd: `${directory}/htpasswd` })
  await writeFile(`${directory}/docker-credential-kept`, HELPER)
  await writeFile(`${directory}/docker-credential-broken`, '#!/bin/sh\necho broken; exit 3\n')
  for (const name of ['kept', 'broken']) await chmod(`${directory}/docker-credential-${name}`, 0o755)
  const env = {
    DOCKER_HOST: engine.host,
    BERTH_HOST: '',
    PATH: `${directory}:${process.env['PATH']}`,
    R: registry.host,
  }
  setting = { directory, env: { ...env, TERM: 'xterm' } }
})

after(async () => {
  await registry[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

const STORIES: Record<string, string[]> = {
  'in the file': [
    'echo secret | $P login -u me --password-stdin $R',
    'cat OWN/config.json',
    'stat -c %a OWN/config.json',
    'echo secret | $P login -u me --password-stdin $R',
    '$P login $R',
    '$P pull -q $R/nothing',
    '$P logout $R',
    'cat OWN/config.json',
    '$P logout $R',
    '$P login -u me -p secret http://$R',
    'cat OWN/config.json',
    '$P logout http://$R/',
    'cat OWN/config.json',
  ],
  'what is wrong': [
    'echo wrong | $P login -u me --password-stdin $R',
    '$P login $R </dev/null',
    '$P login -u me $R </dev/null',
    '$P login -u me -p x --password-stdin $R',
    '$P login --password-stdin $R',
    '$P login -u "" $R',
    '$P login -u me -p "" $R',
    '$P login a b',
    '$P logout a b',
    'test -e OWN/config.json',
    `echo '{"auths":{"'$R'":{"auth":"bWU6b2xk"}}}' >OWN/config.json; $P login $R </dev/null`,
    '$P logout',
  ],
  'with a helper for all': [
    `echo '{"credsStore":"kept"}' >OWN/config.json`,
    'echo secret | $P login -u me --password-stdin $R',
    'cat OWN/config.json OWN/kept',
    '$P login $R',
    '$P pull -q $R/nothing',
    '$P logout $R',
    'cat OWN/config.json; ls OWN',
    '$P logout $R',
  ],
  'with a helper for one': [
    `echo '{"credHelpers":{"'$R'":"kept"}}' >OWN/config.json`,
    'echo secret | $P login -u me --password-stdin $R',
    'cat OWN/config.json OWN/kept',
    `echo '{"Username":"<token>","Secret":"t"}' >OWN/kept; $P pull -q $R/nothing`,
  ],
  'with a helper that does not work': [
    `echo '{"credsStore":"broken"}' >OWN/config.json`,
    '$P pull -q $R/nothing',
    'echo secret | $P login -u me --password-stdin $R',
    `echo '{"credsStore":"missing"}' >OWN/config.json`,
    '$P pull -q $R/nothing',
    '$P run --rm $R/nothing',
  ],
  'where the engine is not there': [
    'echo secret | DOCKER_HOST=unix:///nonexistent $P logout $R',
    `echo '{"auths":{"'$R'":{"auth":"bWU6c2VjcmV0"}}}' >OWN/config.json; DOCKER_HOST=unix:///nonexistent $P logout $R`,
    'cat OWN/config.json',
  ],
}

/** Types each answer once its question has been printed. Returns all that was printed. */
function converse(argv: string[], env: Record<string, string>, answers: [string, string][]): Promise<string> {
  const [program = '', ...args] = argv
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'inherit'] })
  let printed = ''
  child.stdout.on('data', (chunk: Buffer) => {
    printed += chunk.toString()
    const [next] = answers
    if (next === undefined || !printed.trimEnd().endsWith(next[0].trimEnd())) return
    answers.shift()
    child.stdin.write(next[1])
  })
  return new Promise((resolve) => child.once('close', () => resolve(printed)))
}

describe('login and logout', { skip: skipWithoutDocker28 }, () => {
  for (const [title, lines] of Object.entries(STORIES)) test(title, () => assertSameStory(title, lines, setting))

  for (const name of ['docker', 'berth'] as const)
    test(`${name} asks for what is not given, and does not show the password`, async () => {
      const { config } = await tell(name, `asking ${name}`, [], setting)
      const env = { ...setting.env, DOCKER_CONFIG: config }
      const pty = ['script', '-qec', `${PROGRAMS[name]} login ${registry.host}`, '/dev/null']
      const stdout = await converse(pty, env, [
        ['Username: ', 'me\n'],
        ['Password: ', 'secret\n'],
      ])
      assert.match(stdout, /Username: [\s\S]*Password: [\s\S]*Login Succeeded/)
      assert.ok(!stdout.includes('secret'), stdout)
      const auths = JSON.parse(await readFile(`${config}/config.json`, 'utf8')) as { auths: Record<string, object> }
      assert.deepEqual(auths.auths, { [registry.host]: { auth: Buffer.from('me:secret').toString('base64') } })
    })

  test('what berth keeps lets docker pull, and the other way round', async () => {
    for (const [keeper, user] of [
      ['docker', 'berth'],
      ['berth', 'docker'],
    ] as const) {
      const title = `${keeper} for ${user}`
      const { config } = await tell(keeper, title, ['echo secret | $P login -u me --password-stdin $R'], setting)
      const env = { ...setting.env, DOCKER_CONFIG: config }
      const { stderr } = await run([PROGRAMS[user], 'pull', `${registry.host}/nothing`], { env })
      // Refused for want of the image, not of a password.
      assert.match(stderr, /not found|manifest unknown/)
    }
  })
})
