// Pulls under a signature policy: what cosign has signed passes, and nothing that only looks like it.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startEngine, type TestEngine } from '../harness/berth.ts'
import { must, run } from '../harness/command.ts'
import { goProgram, skipWithoutGo } from '../harness/go-programs.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistryProcess } from '../harness/our-registry.ts'
import { startRegistry } from '../harness/registry.ts'
import { pushPlatformImage } from '../harness/platform-image.ts'
import { BIN } from '../harness/root.ts'

const skip = await skipWithoutGo('cosign')
const IDENTITY = 'builder@example.org'
const ISSUER = 'https://issuer.example.org'
const SIMPLE = 'application/vnd.dev.cosign.simplesigning.v1+json'

let directory: string
let engine: TestEngine
let cosign: string
const path = (name: string) => join(directory, name)

interface Host extends AsyncDisposable {
  host: string
}
let registries: Host[] = []

before(async () => {
  if (skip !== false) return
  directory = await mkdtemp(join(tmpdir(), 'berth-signatures-'))
  cosign = await goProgram('cosign')
  for (const name of ['key', 'other']) await signer('generate-key-pair', '--output-key-prefix', path(name))
  await makeCertificates()
  registries = [await startRegistryProcess(), await startRegistry(path('registry'))]
  const hosts = registries.map(({ host }) => host)
  const repositories = (name: string, value: unknown) => hosts.map((host) => [`${host}/${name}`, value])
  const certificates = { roots: path('root.pem'), identity: IDENTITY, issuer: ISSUER }
  await writeFile(
    path('policy.json'),
    JSON.stringify({
      default: 'reject',
      repositories: Object.fromEntries([
        ...repositories('key', { keys: [path('key.pub')] }),
        ...repositories('key/free', 'accept'),
        ...repositories('certified', { certificates: [certificates] }),
        ...repositories('elsewhere', { certificates: [{ ...certificates, identity: 'somebody@example.org' }] }),
        ...repositories('issued', { certificates: [{ ...certificates, issuer: 'https://other.example.org' }] }),
        ...repositories('stranger', { certificates: [{ ...certificates, roots: path('stranger.pem') }] }),
      ]),
    }),
  )
  await writeFile(path('daemon.json'), JSON.stringify({ 'signature-policy': path('policy.json') }))
  engine = await startEngine({ args: ['--config-file', path('daemon.json')] })
})

after(async () => {
  await engine?.[Symbol.asyncDispose]()
  for (const registry of registries) await registry[Symbol.asyncDispose]()
  if (directory !== undefined) await rm(directory, { recursive: true, force: true })
})

const ENV = () => ({ COSIGN_PASSWORD: '', HOME: directory, DOCKER_CONFIG: path('docker') })
const signer = (...args: string[]) => must([cosign, ...args], { env: ENV(), cwd: directory })

/** A root, and a certificate for signing code with Fulcio's extension in it; a second root that has signed nothing. */
async function makeCertificates(): Promise<void> {
  for (const name of ['root', 'stranger']) {
    const files = ['-keyout', path(`${name}.key`), '-out', path(`${name}.pem`)]
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    await must(['openssl', 'req', '-x509', ...key, '-days', '2', '-subj', `/CN=${name}`, ...files])
  }
  const extensions = [
    'basicConstraints=critical,CA:FALSE',
    'keyUsage=critical,digitalSignature',
    'extendedKeyUsage=codeSigning',
    `subjectAltName=email:${IDENTITY}`,
    `1.3.6.1.4.1.57264.1.8=ASN1:UTF8String:${ISSUER}`,
  ]
  await writeFile(path('extensions'), `${extensions.join('\n')}\n`)
  await must(['openssl', 'ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', path('leaf-ec.pem')])
  await must(['openssl', 'pkcs8', '-topk8', '-nocrypt', '-in', path('leaf-ec.pem'), '-out', path('leaf.pem')])
  await must(['openssl', 'req', '-new', '-key', path('leaf.pem'), '-subj', '/CN=builder', '-out', path('leaf.csr')])
  const by = ['-CA', path('root.pem'), '-CAkey', path('root.key'), '-CAcreateserial', '-extfile', path('extensions')]
  await must(['openssl', 'x509', '-req', '-in', path('leaf.csr'), ...by, '-days', '1', '-out', path('leaf.crt')])
  await signer('import-key-pair', '--key', path('leaf.pem'), '--output-key-prefix', path('leaf'))
}

const digestOf = async (name: string) => {
  const script = 'skopeo inspect --tls-verify=false --raw "docker://$1" | sha256sum'
  return `sha256:${(await must(['sh', '-ec', script, 'sh', name])).slice(0, 64)}`
}

const FLAGS = ['--tlog-upload=false', '--allow-http-registry', '--allow-insecure-registry', '-y']
const sign = (name: string, ...more: string[]) => signer('sign', ...FLAGS, ...more, name)
const signByKey = (name: string, key = 'key', ...more: string[]) => sign(name, '--key', path(`${key}.key`), ...more)
const signByCertificate = (name: string) =>
  signByKey(name, 'leaf', '--certificate', path('leaf.crt'), '--certificate-chain', path('root.pem'))

async function assertRefused(name: string, why: RegExp): Promise<void> {
  const { code, stderr } = await engine.docker(['pull', name])
  assert.equal(code, 1, name)
  assert.match(stderr, /signature policy: /)
  assert.match(stderr, why)
  assert.equal(await engine.ok('images', '-q'), '', 'nothing has a name')
}

async function assertPulled(name: string): Promise<void> {
  const { code, stderr } = await engine.docker(['pull', '-q', name])
  assert.equal(code, 0, stderr)
  await engine.ok('rmi', '-f', name)
}

/** A signature's manifest as somebody with a token for the registry may write it. */
async function putSignature(
  host: string,
  repository: string,
  subject: string,
  payload: Buffer,
  annotations: Record<string, string>,
  size = payload.length,
): Promise<void> {
  const config = Buffer.from('{}')
  const digests: string[] = []
  for (const blob of [config, payload]) {
    const file = path('blob')
    await writeFile(file, blob)
    const digest = `sha256:${(await must(['sha256sum', file])).slice(0, 64)}`
    digests.push(digest)
    const begun = await fetch(`http://${host}/v2/${repository}/blobs/uploads/`, { method: 'POST' })
    const url = new URL(begun.headers.get('location') ?? '', `http://${host}`)
    url.searchParams.set('digest', digest)
    const put = await fetch(url, { method: 'PUT', body: blob, headers: { 'content-type': 'application/octet-stream' } })
    assert.equal(put.status, 201, await put.text())
  }
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = {
    ...{ schemaVersion: 2, mediaType },
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digests[0], size: config.length },
    layers: [{ mediaType: SIMPLE, digest: digests[1], size, annotations }],
  }
  const put = await fetch(`http://${host}/v2/${repository}/manifests/${subject.replace(':', '-')}.sig`, {
    method: 'PUT',
    headers: { 'content-type': mediaType },
    body: JSON.stringify(manifest),
  })
  assert.equal(put.status, 201, await put.text())
}

const SIGNATURE = 'dev.cosignproject.cosign/signature'

/** A payload that says what it likes, signed by one of the test's keys. */
async function signPayload(
  key: string,
  payload: string,
): Promise<{ bytes: Buffer; annotations: Record<string, string> }> {
  await writeFile(path('payload'), payload)
  const signature = await signer('sign-blob', '--tlog-upload=false', '-y', '--key', path(`${key}.key`), path('payload'))
  return { bytes: Buffer.from(payload), annotations: { [SIGNATURE]: signature.trim() } }
}

const statement = (reference: string, digest: string) =>
  JSON.stringify({
    critical: {
      identity: { 'docker-reference': reference },
      image: { 'docker-manifest-digest': digest },
      type: 'cosign container image signature',
    },
    optional: null,
  })

describe('a signature policy', { skip }, () => {
  for (const [at, kind] of ['berth-registry', 'docker-registry'].entries()) {
    const hostOf = () => registries[at]?.host ?? ''

    test(`${kind}: what a key has signed is pulled, by tag, by digest and by run`, async () => {
      const name = `${hostOf()}/key/app:1`
      await pushBusybox(hostOf(), 'key/app:1')
      await assertRefused(name, /no signature found/)
      const ran = await engine.docker(['run', '--rm', '--network', 'none', name, 'true'])
      assert.deepEqual([ran.code, /signature policy: /.test(ran.stderr)], [125, true], ran.stderr)
      const digest = await digestOf(name)
      await assertRefused(`${hostOf()}/key/app@${digest}`, /no signature found/)
      await signByKey(`${hostOf()}/key/app@${digest}`, 'other')
      await assertRefused(name, /by none of the keys/)
      await signByKey(`${hostOf()}/key/app@${digest}`)
      await assertPulled(name)
      await assertPulled(`${hostOf()}/key/app@${digest}`)
      const again = await engine.docker(['run', '--rm', '--network', 'none', name, 'echo', 'signed'])
      assert.equal(again.stdout, 'signed\n', again.stderr)
      await engine.ok('rmi', '-f', name)
    })

    test(`${kind}: the signature of an index counts, and so does that of its manifest`, async () => {
      for (const of of ['index', 'manifest'] as const) {
        const name = `${hostOf()}/key/${of}:1`
        await pushPlatformImage(hostOf(), `key/${of}:1`)
        await assertRefused(name, /no signature found/)
        const raw = await must(['skopeo', 'inspect', '--tls-verify=false', '--raw', `docker://${name}`])
        const { manifests = [] } = JSON.parse(raw) as {
          manifests?: { digest: string; platform?: { architecture: string } }[]
        }
        assert.ok(manifests.length > 1)
        const own = manifests.find(({ platform }) => platform?.architecture === 'amd64')?.digest ?? ''
        await signByKey(`${hostOf()}/key/${of}@${of === 'index' ? await digestOf(name) : own}`)
        await assertPulled(name)
      }
    })

    test(`${kind}: a certificate counts by its root, its identity and who vouches for that`, async () => {
      for (const [repository, why] of [
        ['certified', undefined],
        ['elsewhere', /the certificate is "builder@example.org"'s/],
        ['issued', /identity is by "https:\/\/issuer.example.org"/],
        ['stranger', /no root that the policy trusts/],
      ] as const) {
        const name = `${hostOf()}/${repository}/app:1`
        await pushBusybox(hostOf(), `${repository}/app:1`)
        await signByCertificate(`${hostOf()}/${repository}/app@${await digestOf(name)}`)
        if (why === undefined) await assertPulled(name)
        else await assertRefused(name, why)
      }
      const name = `${hostOf()}/certified/by-key:1`
      await pushBusybox(hostOf(), 'certified/by-key:1')
      await signByKey(`${hostOf()}/certified/by-key@${await digestOf(name)}`)
      await assertRefused(name, /by none of the keys/)
    })

    test(`${kind}: a bundle that refers to the image is a signature, an attestation is none`, async () => {
      const name = `${hostOf()}/key/bundle:1`
      await pushBusybox(hostOf(), 'key/bundle:1', { Labels: { kind } })
      const whole = `${hostOf()}/key/bundle@${await digestOf(name)}`
      await writeFile(path('predicate'), '{"a":1}')
      const attested = ['--key', path('key.key'), '--type', 'custom', '--predicate', path('predicate')]
      await signer('attest', ...FLAGS, '--new-bundle-format', ...attested, whole)
      await assertRefused(name, /is no signature/)
      await signByKey(whole, 'key', '--new-bundle-format')
      await assertPulled(name)
    })

    test(`${kind}: what was signed for another place, another image or not at all is refused`, async () => {
      const name = `${hostOf()}/key/evil:1`
      await pushBusybox(hostOf(), 'key/evil:1')
      const digest = await digestOf(name)
      const put = (payload: Buffer, annotations: Record<string, string>) =>
        putSignature(hostOf(), 'key/evil', digest, payload, annotations)
      const moved = await signPayload('key', statement(`${hostOf()}/key/app`, digest))
      await put(moved.bytes, moved.annotations)
      await assertRefused(name, /it is for ".*\/key\/app"/)
      const stale = await signPayload('key', statement(`${hostOf()}/key/evil`, `sha256:${'0'.repeat(64)}`))
      await put(stale.bytes, stale.annotations)
      await assertRefused(name, /it is for "sha256:0000/)
      const tampered = Buffer.from(statement(`${hostOf()}/key/evil`, digest))
      await put(tampered, stale.annotations)
      await assertRefused(name, /by none of the keys/)
      await put(tampered, {})
      await assertRefused(name, /no base64/)
      const large = Buffer.alloc(2 << 20, 0x20)
      await put(large, stale.annotations)
      await assertRefused(name, /payload is larger than/)
      const good = await signPayload('key', tampered.toString())
      await put(good.bytes, good.annotations)
      await assertPulled(name)
    })

    test(`${kind}: the longest name decides, and the rest is rejected`, async () => {
      await pushBusybox(hostOf(), 'key/free/app:1')
      await assertPulled(`${hostOf()}/key/free/app:1`)
      await pushBusybox(hostOf(), 'keys/app:1')
      await assertRefused(`${hostOf()}/keys/app:1`, /keys\/app is rejected/)
    })
  }

  test('a policy that can not be read keeps the daemon from starting, and later every pull', async () => {
    const policy = await readFile(path('policy.json'), 'utf8')
    for (const [text, why] of [
      ['{', /signature policy/],
      ['{}', /default: missing/],
      ['{"default":"maybe"}', /not "accept", "reject" or an object/],
      ['{"default":"accept","other":1}', /unknown key "other"/],
      ['{"default":{"keys":["/none.pub"]}}', /\/none\.pub/],
      ['{"default":{}}', /without keys and certificates/],
    ] as const) {
      await writeFile(path('bad.json'), text)
      const { code, stderr } = await run([join(BIN, 'berthd'), '--validate', '--signature-policy', path('bad.json')])
      assert.equal(code, 1, text)
      assert.match(stderr, why)
    }
    await writeFile(path('policy.json'), 'nothing')
    const { code, stderr } = await engine.docker(['pull', `${registries[0]?.host}/key/free/app:1`])
    await writeFile(path('policy.json'), policy)
    assert.equal(code, 1)
    assert.match(stderr, /signature policy/)
  })

  test('where no policy is named nothing is asked', async () => {
    const plain = await startEngine()
    try {
      assert.equal((await run(['docker', '-H', plain.host, 'pull', '-q', `${registries[0]?.host}/keys/app:1`])).code, 0)
    } finally {
      await plain[Symbol.asyncDispose]()
    }
  })
})
