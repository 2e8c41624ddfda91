// containerd's API on a TCP port: only with a certificate of the right authority and name.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type ClientHttp2Session, connect } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { eventually, must } from '../harness/command.ts'
import { type ConfiguredContainerd, freePort, startConfigured } from '../harness/configured-containerd.ts'
import { skipWithout } from '../harness/runtime.ts'

const skip = skipWithout('openssl', 'ctr')
const directory = mkdtempSync(join(tmpdir(), 'containerd-tcp-'))
const file = (name: string) => join(directory, name)
let daemon: ConfiguredContainerd
let port = 0

/** Keys and certificates `<name>.key` and `<name>.crt`, of the authority `ca` unless they are one. */
async function certify(name: string, commonName: string, ca?: string): Promise<void> {
  const subject = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    file(`${name}.key`),
    '-subj',
    `/CN=${commonName}`,
  ]
  const extensions = ['-addext', ca === undefined ? 'basicConstraints=critical,CA:TRUE' : 'subjectAltName=IP:127.0.0.1']
  const issuer = ca === undefined ? [] : ['-CA', file(`${ca}.crt`), '-CAkey', file(`${ca}.key`)]
  await must([
    'openssl',
    'req',
    '-x509',
    ...subject,
    ...extensions,
    ...issuer,
    '-days',
    '2',
    '-out',
    file(`${name}.crt`),
  ])
}

before(async () => {
  if (skip !== false) return
  await certify('ca', 'the authority')
  await certify('other-ca', 'another authority')
  await certify('server', 'the daemon', 'ca')
  await certify('client', 'the client', 'ca')
  await certify('stranger', 'a stranger', 'ca')
  await certify('forged', 'the client', 'other-ca')
  port = await freePort()
  daemon = await startConfigured({
    directory: file('daemon'),
    grpc: `tcp_address = "127.0.0.1:${port}"
tcp_tls_cert = "${file('server.crt')}"
tcp_tls_key = "${file('server.key')}"
tcp_tls_ca = "${file('ca.crt')}"
tcp_tls_common_name = "the client"`,
  })
})

after(async () => {
  await daemon?.stop()
  rmSync(directory, { recursive: true, force: true })
})

/** The status of a call of `Version`, or the failure of the connection. */
async function callAs(name: string | undefined): Promise<string> {
  const own =
    name === undefined ? {} : { cert: readFileSync(file(`${name}.crt`)), key: readFileSync(file(`${name}.key`)) }
  const session = connect(`https://127.0.0.1:${port}`, { ca: readFileSync(file('ca.crt')), ...own })
  try {
    return await callVersion(session)
  } catch (error) {
    return `failed: ${(error as Error).message}`
  } finally {
    session.destroy()
  }
}

function callVersion(session: ClientHttp2Session): Promise<string> {
  return new Promise((resolve, reject) => {
    session.on('error', reject)
    session.on('close', () => reject(new Error('closed')))
    const stream = session.request({
      ':method': 'POST',
      ':path': '/containerd.services.version.v1.Version/Version',
      'content-type': 'application/grpc',
    })
    stream.on('error', reject)
    stream.on('trailers', (trailers) => resolve(`status ${trailers['grpc-status']}`))
    stream.resume()
    stream.end(Buffer.alloc(5))
  })
}

test('the client that the config names is served', { skip }, async () => {
  assert.equal(await callAs('client'), 'status 0')
})

test('one without a certificate, of another authority or of another name is not', { skip }, async () => {
  for (const name of [undefined, 'forged', 'stranger']) assert.match(await callAs(name), /^failed: /, String(name))
  await eventually('the refusal is in the log', 5000, async () =>
    /level=warning msg="grpc client refused: its certificate is of another name" name="a stranger"/.test(daemon.log()),
  )
  assert.equal((await daemon.ctr('version')).code, 0, daemon.log())
})
