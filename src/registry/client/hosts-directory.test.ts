import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadHosts, type RegistryHost } from './hosts-directory.ts'

async function hostsOf(
  domain: string,
  files: Readonly<Record<string, string>> = {},
  defaultScheme = '',
): Promise<{ hosts: RegistryHost[]; warnings: string[] }> {
  const directory = mkdtempSync(join(tmpdir(), 'hosts-'))
  const warnings: string[] = []
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(directory, name, '..'), { recursive: true })
      writeFileSync(join(directory, name), text)
    }
    const hosts = await loadHosts(domain, { directory, defaultScheme, warn: (text) => warnings.push(text) })
    return { hosts, warnings }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

test('without a configuration a registry is asked itself; loopback may speak HTTP', async () => {
  const cases: [domain: string, scheme: string, host: string, schemes: string[], insecure: boolean][] = [
    ['docker.io', '', 'registry-1.docker.io', ['https'], false],
    ['docker.io', 'http', 'registry-1.docker.io', ['https'], false],
    ['a.b', '', 'a.b', ['https'], false],
    ['a.b:5000', 'http', 'a.b:5000', ['http'], false],
    ['localhost:5000', '', 'localhost:5000', ['https', 'http'], true],
    ['127.0.0.1', '', '127.0.0.1', ['https'], true],
    ['127.0.0.1:80', '', '127.0.0.1:80', ['http'], false],
    ['localhost:5000', 'http', 'localhost:5000', ['http'], false],
  ]
  for (const [domain, scheme, host, schemes, insecure] of cases) {
    const [found] = (await hostsOf(domain, {}, scheme)).hosts
    assert.deepEqual([found?.host, found?.schemes, found?.insecure], [host, schemes, insecure], `${domain} ${scheme}`)
  }
})

test('hosts.toml names mirrors in order, with what each is to be asked and shown', async () => {
  const { hosts, warnings } = await hostsOf('docker.io', {
    'docker.io/ca.pem': 'an authority',
    'docker.io/hosts.toml': `
server = "https://registry-1.docker.io"
[host."https://z.example/proxy/docker"]
  capabilities = ["pull", "resolve"]
  ca = "ca.pem"
  dial_timeout = "1m30s"
  [host."https://z.example/proxy/docker".header]
    x-a = ["1", "2"]
[host."http://a.example:5000"]
  capabilities = ["push"]
  skip_verify = true
[host."https://b.example/api"]
  override_path = true
`,
  })
  assert.deepEqual(warnings, [])
  assert.deepEqual(
    hosts.map(({ host, apiPath, schemes, isMirror, namespace }) => [
      host,
      apiPath,
      schemes.join(),
      isMirror,
      namespace,
    ]),
    [
      ['z.example', '/proxy/docker/v2', 'https', true, 'docker.io'],
      ['a.example:5000', '/v2', 'https,http', true, 'docker.io'],
      ['b.example', '/api', 'https', true, 'docker.io'],
      ['registry-1.docker.io', '/v2', 'https', false, undefined],
    ],
  )
  assert.deepEqual(hosts[0]?.tls, { authorities: ['an authority'], pairs: [] })
  assert.deepEqual(hosts[0].headers, { 'x-a': '1, 2' })
  assert.equal(hosts[0].dialTimeoutMs, 90_000)
  assert.deepEqual([...hosts[1]!.capabilities], ['push'])
  assert.ok(hosts[1]!.insecure && !hosts[0].insecure)
})

test('certificates alone are taken, also where hosts.toml can’t be read', async () => {
  const files = { 'a.b_5000_/x.crt': 'ca', 'a.b_5000_/y.cert': 'cert', 'a.b_5000_/y.key': 'key' }
  for (const toml of [{}, { 'a.b_5000_/hosts.toml': '[[[' }, { 'a.b_5000_/hosts.toml': 'capabilities = ["fly"]' }]) {
    const { hosts, warnings } = await hostsOf('a.b:5000', { ...files, ...toml })
    assert.deepEqual(hosts[0]?.tls, { authorities: ['ca'], pairs: [{ certificate: 'cert', key: 'key' }] })
    assert.equal(warnings.length, Object.keys(toml).length)
  }
  const { hosts } = await hostsOf('c.d', { '_default/x.crt': 'default' })
  assert.deepEqual(hosts[0]?.tls?.authorities, ['default'])
})

test('a registry’s name is no path', async () => {
  for (const domain of ['..', '../x', 'a/b', '.']) await assert.rejects(hostsOf(domain), { code: 'invalid-argument' })
})
