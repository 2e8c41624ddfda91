// Our engine with a containerd that is not ours: Debian's, with its own shim and runc. The Docker CLI sees no difference.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startEngine, type TestEngine } from '../harness/berth.ts'

import { pushBusybox } from '../harness/images.ts'
import { startRealContainerd, type RealContainerd } from '../harness/real-containerd.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'

let containerd: RealContainerd
let engine: TestEngine
let registry: TestRegistry
let image: string

before(async () => {
  containerd = await startRealContainerd()
  engine = await startEngine({ args: ['--containerd', containerd.address] })
  registry = await startRegistry(`${engine.directory}/registry`)
  await pushBusybox(registry.host)
  image = `${registry.host}/busybox`
  await engine.ok('pull', image)
})

after(async () => {
  await registry[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
  await containerd[Symbol.asyncDispose]()
})

const docker = (...args: string[]) => engine.docker(args, { timeoutMs: 30_000 })

test('run: output by stream, exit codes of programs, of signals and of what cannot be started', async () => {
  const both = await docker('run', '--rm', image, 'sh', '-c', 'echo out; echo err >&2; exit 7')
  assert.deepEqual(both, { code: 7, stdout: 'out\n', stderr: 'err\n' })
  assert.equal((await docker('run', '--rm', image, 'true')).code, 0)
  assert.equal((await docker('run', '--rm', image, 'false')).code, 1)
  assert.equal((await docker('run', '--rm', image, 'sh', '-c', 'kill -9 $$; sleep 10')).code, 0, 'init ignores itself')
  const missing = await docker('run', '--rm', image, 'nope')
  assert.equal(missing.code, 127)
  assert.match(missing.stderr, /failed to create task for container: .*exec: "nope": executable file not found in \$PATH/)
  const directory = await docker('run', '--rm', image, '/etc')
  assert.equal(directory.code, 126)
  assert.match(directory.stderr, /permission denied|is a directory/)
  assert.equal((await docker('run', '--rm', '--nope', image)).code, 125)
})
