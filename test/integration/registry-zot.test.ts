// Our engine and our client with zot, a registry by others that knows OCI's formats alone.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { startEngine, type TestEngine } from '../harness/berth.ts'
import { eventually, must, run } from '../harness/command.ts'
import { goProgram, skipUnlessBuilt } from '../harness/go-programs.ts'
import { pushBusybox } from '../harness/images.ts'
import { freePort, startRegistry } from '../harness/registry.ts'

describe('zot', { skip: skipUnlessBuilt('zot') }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-zot-'))
  let engine: TestEngine
  let zot: ChildProcess
  let host: string

  before(async () => {
    host = `127.0.0.1:${await freePort()}`
    const config = {
      storage: { rootDirectory: join(directory, 'data') },
      http: { address: '127.0.0.1', port: host.split(':')[1] },
      log: { level: 'error', output: join(directory, 'log') },
    }
    writeFileSync(join(directory, 'config.json'), JSON.stringify(config))
    zot = spawn(await goProgram('zot'), ['serve', join(directory, 'config.json')], { stdio: 'ignore' })
    engine = await startEngine()
    await eventually('zot answers', 15_000, async () => (await run(['curl', '-sf', `http://${host}/v2/`])).code === 0)
    await using source = await startRegistry(join(directory, 'source'))
    await pushBusybox(source.host)
    const tls = ['--src-tls-verify=false', '--dest-tls-verify=false']
    const [from, to] = [`docker://${source.host}/busybox:latest`, `docker://${host}/a/busybox:1`]
    await must(['skopeo', 'copy', '-q', '--format', 'oci', ...tls, from, to])
  })

  after(async () => {
    zot.kill('SIGKILL')
    await once(zot, 'exit')
    await engine[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true, force: true })
  })

  const raw = (name: string) => must(['skopeo', 'inspect', '--raw', '--tls-verify=false', `docker://${host}/${name}`])

  test('what is pulled from it runs, and comes back under the same digest', async () => {
    const name = `${host}/a/busybox:1`
    const digest = digestOf(await raw('a/busybox:1'))
    assert.match(await engine.ok('pull', name), new RegExp(`Digest: ${digest}`))
    assert.equal(await engine.ok('run', '--rm', name, 'echo', 'from zot'), 'from zot')
    await engine.ok('tag', name, `${host}/b/copy:2`)
    assert.match(await engine.ok('push', `${host}/b/copy:2`), new RegExp(`digest: ${digest}`))
    assert.equal(digestOf(await raw('b/copy:2')), digest)
    assert.match(await engine.ok('push', `${host}/b/copy:2`), /Layer already exists/)
    await engine.ok('rmi', '-f', name, `${host}/b/copy:2`)
    assert.match(await engine.ok('pull', `${host}/b/copy@${digest}`), new RegExp(`Digest: ${digest}`))
  })

  test('a committed image goes there and comes back, with its files', async () => {
    await engine.ok('pull', '-q', `${host}/a/busybox:1`)
    await engine.ok('run', '--name', 'changed', `${host}/a/busybox:1`, 'sh', '-c', 'echo more > /more')
    await engine.ok('commit', 'changed', `${host}/c/changed:1`)
    await engine.ok('rm', 'changed')
    await engine.ok('push', '-q', `${host}/c/changed:1`)
    await engine.ok('rmi', `${host}/c/changed:1`)
    await engine.ok('pull', '-q', `${host}/c/changed:1`)
    assert.equal(await engine.ok('run', '--rm', `${host}/c/changed:1`, 'cat', '/more'), 'more')
  })

  test('our client reads its manifests, and what is not there is told', async () => {
    const { stdout } = await engine.berth(['manifest', 'inspect', '--insecure', `${host}/a/busybox:1`])
    assert.match(stdout, /"layers": \[/)
    const missing = await engine.docker(['pull', `${host}/nothing:1`])
    assert.match(missing.stderr, /not found|does not exist/)
    assert.equal(missing.code, 1)
  })
})
