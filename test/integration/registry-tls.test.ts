// TLS and client certificates of berth-registry, and logins by programs that we did not write.
import assert from 'node:assert/strict'
import { hashSync } from 'bcryptjs'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { SignJWT } from 'jose'
import { type Certificates, makeCertificates } from '../harness/certificates.ts'
import { must, run } from '../harness/command.ts'
import { goProgram, skipWithoutGo } from '../harness/go-programs.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistryProcess } from '../harness/our-registry.ts'

let directory: string
let certificates: Certificates

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'berth-tls-'))
  certificates = await makeCertificates(directory)
})

after(() => rm(directory, { recursive: true, force: true }))

function tls(more: object = {}): { http: object } {
  const { server } = certificates
  const files = { certificate: join(server, 'cert.pem'), key: join(server, 'key.pem') }
  return { http: { addr: '127.0.0.1:0', tls: { ...files, ...more } } }
}

function curl(host: string, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const ca = ['--cacert', join(certificates.server, 'ca.pem')]
  return run(['curl', '-sS', '-o', '/dev/null', '-w', '%{http_code}', ...ca, ...args, `https://${host}/v2/`])
}

test('TLS is spoken, nothing older than asked for, and addresses in answers are https', async () => {
  await using registry = await startRegistryProcess(tls({ minimumtls: 'tls1.3' }))
  assert.equal((await curl(registry.host)).stdout, '200')
  assert.notEqual((await curl(registry.host, '--tls-max', '1.2')).code, 0)
  const upload = [
    '-X',
    'POST',
    '--cacert',
    join(certificates.server, 'ca.pem'),
    `https://${registry.host}/v2/a/blobs/uploads/`,
  ]
  assert.match(await must(['curl', '-si', ...upload]), new RegExp(`location: https://${registry.host}/v2/a/`))
})

test('with client authorities only who has a certificate of theirs gets in', async () => {
  await using registry = await startRegistryProcess(tls({ clientcas: [join(certificates.server, 'ca.pem')] }))
  const pair = (place: string) => ['--cert', join(place, 'cert.pem'), '--key', join(place, 'key.pem')]
  assert.equal((await curl(registry.host, ...pair(certificates.client))).stdout, '200')
  assert.notEqual((await curl(registry.host)).code, 0)
  assert.notEqual((await curl(registry.host, ...pair(certificates.stranger))).code, 0)

  // skopeo takes them from a directory, as Docker does from certs.d.
  const certs = join(directory, 'certs.d')
  await must(['mkdir', '-p', certs])
  await must(['cp', join(certificates.server, 'ca.pem'), join(certs, 'ca.crt')])
  await must(['cp', join(certificates.client, 'cert.pem'), join(certs, 'client.cert')])
  await must(['cp', join(certificates.client, 'key.pem'), join(certs, 'client.key')])
  const list = ['skopeo', 'list-tags', '--cert-dir', certs, `docker://${registry.host}/nothing`]
  assert.match((await run(list)).stderr, /404 \(Not Found\)/)
})

test('a certificate is asked for, but verified only where that is said', async () => {
  const pair = (place: string) => ['--cert', join(place, 'cert.pem'), '--key', join(place, 'key.pem')]
  const clientcas = [join(certificates.server, 'ca.pem')]
  const statuses = async (clientauth: string) => {
    await using registry = await startRegistryProcess(tls({ clientcas, clientauth }))
    const answers = [await curl(registry.host), await curl(registry.host, ...pair(certificates.client))]
    return [...answers, await curl(registry.host, ...pair(certificates.stranger))].map(({ stdout }) => stdout)
  }
  assert.deepEqual(await statuses('request-client-cert'), ['200', '200', '200'])
  assert.deepEqual(await statuses('require-any-client-cert'), ['000', '200', '200'])
  assert.deepEqual(await statuses('verify-client-cert-if-given'), ['200', '200', '000'])
  assert.deepEqual(await statuses('require-and-verify-client-cert'), ['000', '200', '000'])
})

test('a token is believed by the certificate that it brings, if an authority of ours has signed that', async () => {
  const token = { realm: 'https://x', service: 's', issuer: 'i', rootcertbundle: join(certificates.server, 'ca.pem') }
  await using registry = await startRegistryProcess({ auth: { token } })
  const ask = async (place: string) => {
    const certificate = new X509Certificate(await readFile(join(place, 'cert.pem')))
    const key = createPrivateKey(await readFile(join(place, 'key.pem')))
    const jwt = await new SignJWT({ access: [] })
      .setProtectedHeader({ alg: 'RS256', x5c: [certificate.raw.toString('base64')] })
      .setIssuer('i')
      .setAudience('s')
      .setExpirationTime('1m')
      .sign(key)
    return (await fetch(`${registry.url}/v2/`, { headers: { authorization: `Bearer ${jwt}` } })).status
  }
  assert.equal(await ask(certificates.server), 200)
  assert.equal(await ask(certificates.stranger), 401)
})

test('skopeo and crane log in with tokens of our service, push, and are refused where they may not', async (context) => {
  const skip = await skipWithoutGo('crane')
  if (skip !== false) return context.skip(skip)
  await must(['openssl', 'ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', join(directory, 'ec.pem')])
  await must([
    'openssl',
    'pkcs8',
    '-topk8',
    '-nocrypt',
    '-in',
    join(directory, 'ec.pem'),
    '-out',
    join(directory, 'key.pem'),
  ])
  await writeFile(join(directory, 'htpasswd'), `alice:${hashSync('secret', 4)}\n`)
  const tokenservice = {
    ...{ issuer: 'ours', service: 'registry', key: join(directory, 'key.pem'), htpasswd: join(directory, 'htpasswd') },
    access: [{ users: ['alice'], repositories: ['alice/**'], actions: ['*'] }],
  }
  await using registry = await startRegistryProcess({ auth: { token: {} }, tokenservice })
  await pushBusybox(registry.host, 'alice/busybox:1', {})
    .then(() => assert.fail('pushed without a password'))
    .catch((error) => assert.match(String(error), /requested access to the resource is denied/))
  const { pushImage } = await import('../harness/images.ts')
  await pushImage(registry.host, 'alice/empty:1', { layers: [], config: {} }, 'alice:secret')
  const crane = await goProgram('crane')
  const env = { DOCKER_CONFIG: join(directory, 'docker') }
  await must([crane, '--insecure', 'auth', 'login', '-u', 'alice', '-p', 'secret', registry.host], { env })
  await must([crane, '--insecure', 'copy', `${registry.host}/alice/empty:1`, `${registry.host}/alice/copy:1`], { env })
  const refused = await run(
    [crane, '--insecure', 'copy', `${registry.host}/alice/empty:1`, `${registry.host}/bob/x:1`],
    { env },
  )
  assert.notEqual(refused.code, 0)
  assert.match(refused.stderr, /401 Unauthorized/)
})
