// A real root file system: thousands of files, hard links, setuid, capabilities, devices, whiteouts, opaque directories.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { type TestEngine, startEngine } from '../harness/berth.ts'
import { clientsOf } from '../harness/clients.ts'
import { pushDebian } from '../harness/debian.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'
import { describeTree } from '../harness/tree.ts'

let engine: TestEngine
let registry: TestRegistry
let image: string

before(async () => {
  engine = await startEngine()
  registry = await startRegistry(`${engine.directory}/registry`)
  await pushDebian(registry.host, 'debian:test', { expectedTree: `${engine.directory}/expected` })
  image = `${registry.host}/debian:test`
})

after(async () => {
  await registry[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

for (const index of [0, 1])
  test(`${index === 0 ? 'docker' : 'berth'} pulls it and runs it`, async () => {
    const client = clientsOf(engine)[index]
    assert.ok(client)
    await client.run(['rmi', '-f', image])
    const pulled = await client.run(['pull', image], { timeoutMs: 120_000 })
    assert.equal(pulled.code, 0, pulled.stderr)
    assert.match(pulled.stdout, /Digest: sha256:[0-9a-f]{64}/)
    assert.match(pulled.stdout, new RegExp(`Status: Downloaded newer image for ${image}`))
    assert.match((await client.run(['pull', image])).stdout, new RegExp(`Status: Image is up to date for ${image}`))
    assert.equal(
      await client.ok(
        'run',
        '--rm',
        image,
        'bash',
        '-c',
        'ls -l /opt/app | wc -l; getent passwd root; cat /etc/apt/sources.list',
      ),
      '10\nroot:x:0:0:root:/root:/bin/bash\nfresh',
    )
    assert.match(await client.ok('run', '--rm', image, 'dpkg-query', '-W', 'bash'), /^bash\s/)
  })

test('the unpacked tree equals the source file by file', async () => {
  const id = await engine.ok('run', '-d', image, 'sleep', '1000')
  try {
    const pid = await engine.ok('inspect', '-f', '{{.State.Pid}}', id)
    // The engine's own files and the mounts of a container are not the image's.
    const skip = [
      '/dev',
      '/proc',
      '/sys',
      '/etc/resolv.conf',
      '/etc/hosts',
      '/etc/hostname',
      '/etc/mtab',
      '/.dockerenv',
    ]
    const touched = ['/', '/etc']
    const strip = (lines: string[]) =>
      lines.map((line) => (touched.includes(line.split(' ')[0] ?? '') ? line.replace(/ t\d+/, '') : line))
    const [got, want] = [
      await describeTree(`/proc/${pid}/root`, skip),
      await describeTree(`${engine.directory}/expected`, skip),
    ]
    assert.ok(want.length > 5000, `${want.length} files`)
    const differences = (from: string[], to: string[]) => {
      const known = new Set(strip(to))
      return strip(from)
        .filter((line) => !known.has(line))
        .slice(0, 20)
    }
    assert.deepEqual(differences(got, want), [])
    assert.deepEqual(differences(want, got), [])
  } finally {
    await engine.ok('rm', '-f', id)
  }
})

test('rmi gives the space back', async () => {
  await engine.ok('rmi', image)
  assert.equal(await engine.ok('images', '-q'), '')
  const left = () =>
    readdirSync(`${engine.directory}/data/containerd`, { recursive: true, withFileTypes: true }).filter(
      (entry) => entry.isFile() && entry.parentPath.includes('/blobs/'),
    ).length
  const { eventually } = await import('../harness/command.ts')
  await eventually('blobs are collected', 10_000, () => left() === 0)
})
