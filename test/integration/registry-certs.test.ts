// Registries that only an administrator's certificates open, and those that a hosts.toml stands before: by our engine beside the real dockerd.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startEngine } from '../harness/berth.ts'
import { type Certificates, FOREIGN_ADDRESS, makeCertificates } from '../harness/certificates.ts'
import { must, run } from '../harness/command.ts'
import { type EnginePair, startEnginePair } from '../harness/engine-pair.ts'
import { fakeImage, layerOf, startFakeRegistry } from '../harness/fake-registry.ts'
import { pushBusybox } from '../harness/images.ts'
import { type RegistryProcess, startRegistryProcess } from '../harness/our-registry.ts'
import { imageFile } from '../../src/image/make-image.ts'

/** Docker's own place, covered in this test's mount namespace. */
const CERTS = '/etc/docker/certs.d'
let directory: string
let certificates: Certificates
let registry: RegistryProcess
let pair: EnginePair | undefined

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'registry-certs-'))
  certificates = await makeCertificates(directory)
  mkdirSync('/etc/docker', { recursive: true })
  await must(['mount', '-t', 'tmpfs', 'berth-test', '/etc/docker'])
  await must(['ip', 'address', 'add', `${FOREIGN_ADDRESS}/32`, 'dev', 'lo'])
  const { server } = certificates
  const tls = { certificate: join(server, 'cert.pem'), key: join(server, 'key.pem') }
  const clientcas = [join(server, 'ca.pem')]
  registry = await startRegistryProcess({ http: { addr: `${FOREIGN_ADDRESS}:0`, tls: { ...tls, clientcas } } })
  pair = await startEnginePair(async ({ host }) => {
    await pushBusybox(host)
    return `${host}/busybox`
  })
})

after(async () => {
  await pair?.[Symbol.asyncDispose]()
  await registry[Symbol.asyncDispose]()
  await run(['ip', 'address', 'del', `${FOREIGN_ADDRESS}/32`, 'dev', 'lo'])
  await run(['umount', '/etc/docker'])
  rmSync(directory, { recursive: true, force: true })
})

/** What `certs.d` has for the host: file name to file. */
function lay(host: string, files: Readonly<Record<string, string>>): void {
  rmSync(CERTS, { recursive: true, force: true })
  mkdirSync(join(CERTS, host), { recursive: true })
  for (const [name, from] of Object.entries(files)) cpSync(from, join(CERTS, host, name))
}

function layHosts(host: string, text: string): void {
  lay(host, {})
  writeFileSync(join(CERTS, host, 'hosts.toml'), text)
}

const fileOf = (who: keyof Certificates, name: string) => join(certificates[who], `${name}.pem`)
/** Newer Go says first what it was doing, and newer Docker gives advice in other words. */
const normalise = (text: string) =>
  text
    .replaceAll('tls: failed to verify certificate: ', '')
    .replace('Note that CA certificates should use', 'CA certificates must use')
    .replace('Missing client', 'missing client')

test('without certificates nobody is trusted, and half a pair is told as Docker tells it', async () => {
  const pull = `docker pull -q ${registry.host}/a:1`
  lay(registry.host, {})
  await pair?.assertSame(pull, { normalise, expect: /x509: certificate signed by unknown authority/ })
  lay(registry.host, { 'ca.crt': fileOf('server', 'ca'), 'x.cert': fileOf('client', 'cert') })
  await pair?.assertSame(pull, {
    normalise,
    expect: /missing key x.key for client certificate x.cert. CA certificates must use the extension .crt/,
  })
  lay(registry.host, { 'ca.crt': fileOf('server', 'ca'), 'x.key': fileOf('client', 'key') })
  await pair?.assertSame(pull, { normalise, expect: /missing client certificate x.cert for key x.key/ })
  lay(registry.host, { 'ca.crt': fileOf('server', 'ca') })
  const answers = await pair?.both(pull)
  for (const text of Object.values(answers ?? {})) assert.match(text, /tls|EOF|reset by peer|broken pipe/)
})

test('with an authority and a client’s certificate all goes: push, pull, login, manifests', async () => {
  lay(registry.host, {
    'ca.crt': fileOf('server', 'ca'),
    'x.cert': fileOf('client', 'cert'),
    'x.key': fileOf('client', 'key'),
  })
  const name = `${registry.host}/a:1`
  await pair?.assertSame(
    `docker tag pair ${name}; docker push -q ${name}; docker rmi ${name} >/dev/null; docker pull -q ${name}`,
    {
      expect: /exit 0$/,
    },
  )
  await pair?.assertSame(`docker login -u a -p b ${registry.host} 2>/dev/null`, { expect: /Login Succeeded/ })
  const manifest = `docker manifest inspect ${name} | grep -c layers`
  await pair?.assertSame(manifest, { client: 'each its own', expect: /^1\n/ })
  lay(registry.host, {
    'ca.crt': fileOf('server', 'ca'),
    'x.cert': fileOf('stranger', 'cert'),
    'x.key': fileOf('stranger', 'key'),
  })
  assert.match((await pair?.ours.docker(['pull', '-q', name]))?.stderr ?? '', /tls|EOF|reset by peer|broken pipe/)
})

test('an authority of the system counts, as one of every program’s', async () => {
  const tls = { certificate: fileOf('server', 'cert'), key: fileOf('server', 'key') }
  await using open = await startRegistryProcess({ http: { addr: `${FOREIGN_ADDRESS}:0`, tls } })
  lay('nobody', {})
  const pull = ['pull', '-q', `${open.host}/a:1`]
  assert.match((await pair?.ours.docker(pull))?.stderr ?? '', /certificate signed by unknown authority/)
  await using engine = await startEngine({ env: { SSL_CERT_FILE: fileOf('server', 'ca') } })
  assert.match((await engine.docker(pull)).stderr, /manifest for .* not found: manifest unknown/)
})

test('a hosts.toml says who is asked for any registry, in which order, and for what', async () => {
  const engine = pair?.ours
  if (engine === undefined) return
  await using mirror = await startFakeRegistry()
  const layer = await layerOf(imageFile('file', { content: Buffer.from('mirrored') }))
  mirror.serve('team/app', fakeImage([layer]))
  const pull = ['pull', '-q', 'registry.example/team/app']
  const gone = '[host."http://127.0.0.1:1"]\n'
  layHosts(
    'registry.example',
    `server = "https://127.0.0.1:2"\n${gone}[host."http://${mirror.host}"]\n  capabilities = ["pull", "resolve"]\n`,
  )
  assert.equal(await engine.ok(...pull), 'registry.example/team/app:latest')
  assert.ok(mirror.requests.every(({ line }) => !line.includes('/blobs/') || line.includes('ns=registry.example')))
  await engine.ok('rmi', 'registry.example/team/app')
  const push = await engine.docker(['push', '-q', 'registry.example/team/none'])
  assert.match(push.stderr, /does not exist|tag does not exist/)

  // A blob that the mirror lacks is asked of the registry, and nothing else is.
  await using itself = await startFakeRegistry()
  const image = fakeImage([await layerOf(imageFile('file', { content: Buffer.from('half mirrored') }))])
  const lacking = [...image.blobs.keys()].at(-1) ?? ''
  itself.serve('team/half', image)
  mirror.serve('team/half', { ...image, blobs: new Map([...image.blobs].filter(([digest]) => digest !== lacking)) })
  layHosts('registry.example', `server = "http://${itself.host}"\n[host."http://${mirror.host}"]\n`)
  assert.equal(await engine.ok('pull', '-q', 'registry.example/team/half'), 'registry.example/team/half:latest')
  const asked = itself.requests.map(({ line }) => line)
  assert.deepEqual(asked, [`GET /v2/team/half/blobs/${lacking}?ns=registry.example`])
  await engine.ok('rmi', 'registry.example/team/half')

  // A tag is not asked of who may only be asked for what is known already.
  layHosts(
    'registry.example',
    `server = "https://127.0.0.1:2"\n[host."http://${mirror.host}"]\n  capabilities = ["pull"]\n`,
  )
  assert.match((await engine.docker(pull)).stderr, /127.0.0.1:2.*connection refused/)

  layHosts(
    'registry.example',
    'server = "https://127.0.0.1:2"\n[host."http://127.0.0.1:1"]\n  capabilities = ["fly"]\n',
  )
  assert.match(
    (await engine.docker(pull)).stderr,
    /failed to decode \/etc\/docker\/certs.d\/registry.example\/hosts.toml: unknown capability fly/,
  )

  layHosts('_default', `[host."http://${mirror.host}"]\n`)
  assert.equal(await engine.ok(...pull), 'registry.example/team/app:latest')
  await engine.ok('rmi', 'registry.example/team/app')
})
