// Contexts by docker and by berth: the same words for the same lines, and each reads what the other has written.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { after, before, describe, test } from 'node:test'
import { assertSameStory, PROGRAMS, type StorySetting, tell } from '../harness/client-stories.ts'
import { must } from '../harness/command.ts'
import { skipWithoutDocker28 } from '../harness/docker-cli.ts'

let directory: string
const ENV = { DOCKER_HOST: '', BERTH_HOST: '', DOCKER_CONTEXT: '', TERM: 'xterm' }

before(async () => {
  directory = await mkdtemp(`${tmpdir()}/berth-contexts-`)
  const subject = ['-subj', '/CN=x', '-keyout', `${directory}/key`, '-out', `${directory}/cert`]
  await must(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...subject])
  await writeFile(`${directory}/garbage`, 'garbage')
  await must(['tar', 'cf', `${directory}/foreign.tar`, '-C', directory, 'garbage'])
})

after(() => rm(directory, { recursive: true, force: true }))

const setting = (): StorySetting => ({
  directory,
  env: ENV,
  mask: (text) => text.replaceAll('unix:///run/docker.sock', 'unix:///var/run/docker.sock').replace(/ {2,}/g, '  '), // columns are as wide as the default host
})

const STORIES: Record<string, string[]> = {
  'made, listed, described, used, removed': [
    '$P context ls',
    "$P context create one --docker host=tcp://h:2376,skip-tls-verify=true --description 'a <b>'",
    '$P context create two --docker host=tcp://h:2376,ca=DIR/cert,cert=DIR/cert,key=DIR/key',
    '$P context create --docker host=unix:///x three10',
    '$P context create --docker host=unix:///x three9',
    '$P context create four --from one --description "another"',
    '$P context create five --docker from=one',
    '$P context create six',
    '$P context create seven --from two',
    '$P context ls',
    '$P context ls -q',
    '$P context ls --format json',
    "$P context ls --format 'table {{.Name}}\\t{{.Current}}'",
    "$P context ls --format '{{.Bogus}}'",
    '$P context inspect one two default six seven',
    "$P context inspect -f '{{.Name}} {{.Endpoints.docker.Host}} {{.Metadata.Name}} {{json .TLSMaterial}}' one two",
    '$P context inspect',
    '$P context use one',
    'cat OWN/config.json',
    '$P context show',
    '$P context ls',
    '$P context rm one',
    '$P context update one --description new',
    '$P context update two --docker host=unix:///y',
    '$P context inspect one two',
    '$P context rm -f one',
    'cat OWN/config.json',
    '$P context use two',
    '$P context use default',
    '$P context rm two three9 missing default',
    '$P context rm -f missing',
    '$P context ls -q',
  ],
  'what is wrong is told': [
    '$P context create x',
    '$P context create bad/name',
    '$P context create default --docker host=x',
    '$P context create aa --docker bogus=x',
    '$P context create aa --docker x',
    '$P context create aa --docker host=unix:///x,skip-tls-verify=maybe',
    '$P context create aa --docker ca=/nonexistent',
    '$P context create aa --docker host=a',
    '$P context create aa --docker from=nope',
    '$P context create aa --docker host=tcp://x,ca=DIR/key',
    '$P context create aa --docker host=unix:///x',
    '$P context create aa',
    '$P context create bb --from aa --docker host=x',
    '$P context create bb --from nope',
    '$P context create',
    '$P context use',
    '$P context use a b',
    '$P context use nope',
    '$P context rm',
    '$P context show extra',
    '$P context ls extra',
    '$P context inspect nope aa',
    '$P context update nope',
    '$P context update default',
    '$P context export nope -',
    '$P context import aa DIR/garbage',
    '$P context import bb DIR/garbage',
    '$P context import bb DIR/foreign.tar',
    '$P context import bb /nonexistent',
    '$P context bogus',
  ],
  'a context that is not there': [
    '$P --context nope context ls',
    '$P --context nope context show',
    'DOCKER_CONTEXT=nope $P context ls',
    'DOCKER_CONTEXT=nope $P ps',
    '$P --context nope version --help',
    '$P -H tcp://a:1 context ls',
    'DOCKER_HOST=tcp://a:1 $P context ls',
    '$P context create yes --docker host=unix:///x',
    'DOCKER_HOST=tcp://a:1 $P context use yes',
    'DOCKER_HOST=tcp://a:1 $P context show',
    '$P -H tcp://a:1 context inspect default',
    '$P -H x --context y context ls',
  ],
  'carried elsewhere': [
    '$P context create two --docker host=tcp://h:2376,ca=DIR/cert,cert=DIR/cert,key=DIR/key --description d',
    '$P context export two',
    '$P context export two',
    'tar tvf two.dockercontext 2>/dev/null || true', // docker leaves the end marker out
    'tar xOf two.dockercontext meta.json 2>/dev/null || true',
    '$P context export two - | $P context import piped -',
    '$P context import copy two.dockercontext',
    '$P context import copy two.dockercontext',
    '$P context inspect copy piped',
    '$P context export default - | tar xOf - meta.json 2>/dev/null || true',
    'mkdir z && tar xf two.dockercontext -C z 2>/dev/null; (cd z && python3 -m zipfile -c ../two.zip meta.json tls)',
    '$P context import zipped two.zip',
    '$P context inspect zipped',
  ],
}

describe('contexts', { skip: skipWithoutDocker28 }, () => {
  for (const [title, lines] of Object.entries(STORIES)) test(title, () => assertSameStory(title, lines, setting()))

  test('what one writes the other reads', async () => {
    const ours = await tell(
      'berth',
      'both',
      [
        '$P context create two --docker host=tcp://h:2376,ca=DIR/cert,cert=DIR/cert,key=DIR/key --description d',
        '$P context use two',
      ],
      setting(),
    )
    const env = { ...ENV, DOCKER_CONFIG: ours.config }
    const read = (program: string) => must([program, 'context', 'inspect', 'two'], { env })
    assert.equal(await read(PROGRAMS.berth), await read('docker'))
    assert.equal(await must(['docker', 'context', 'show'], { env }), 'two')
    await must(['docker', 'context', 'create', 'three', '--from', 'two'], { env })
    const list = await must([PROGRAMS.berth, 'context', 'ls', '-q'], { env })
    assert.deepEqual(list.split('\n'), ['default', 'three', 'two'])
  })

  test('nobody else can read the keys, and no draft of a file stays', async () => {
    const { config } = await tell(
      'berth',
      'modes',
      ['$P context create two --docker host=tcp://h:2376,ca=DIR/cert,cert=DIR/cert,key=DIR/key', '$P context use two'],
      setting(),
    )
    const [id = ''] = await readdir(`${config}/contexts/tls`)
    const files = await readdir(`${config}/contexts/tls/${id}/docker`)
    assert.deepEqual(files.sort(), ['ca.pem', 'cert.pem', 'key.pem'])
    const modeOf = async (path: string) => (await stat(path)).mode & 0o777
    assert.equal(await modeOf(`${config}/contexts/tls/${id}/docker/key.pem`), 0o600)
    assert.equal(await modeOf(`${config}/contexts/tls/${id}/docker`), 0o700)
    assert.equal(await modeOf(`${config}/config.json`), 0o600)
    assert.deepEqual((await readdir(config)).sort(), ['config.json', 'contexts'])
  })

  test('what config.json says beside contexts stays', async () => {
    const { config } = await tell('berth', 'kept', ['$P context create aa --docker host=unix:///x'], setting())
    const before = { psFormat: 'table {{.ID}}', ours: { a: 1 }, auths: { r: { auth: 'YTpi' } } }
    await writeFile(`${config}/config.json`, JSON.stringify(before))
    await must([PROGRAMS.berth, 'context', 'use', 'aa'], { env: { ...ENV, DOCKER_CONFIG: config } })
    const written: unknown = JSON.parse(await readFile(`${config}/config.json`, 'utf8'))
    assert.deepEqual(written, { ...before, currentContext: 'aa' })
  })
})
