// Engine and containerd inside this process: a container from a pull to its removal, by function calls and by a Docker client.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openBerth } from '../../bin/embed.ts'
import { createContainer } from '../../src/engine/container/create.ts'
import { removeContainer } from '../../src/engine/container/remove.ts'
import { startContainer } from '../../src/engine/container/start.ts'
import { waitForContainer } from '../../src/engine/container/wait.ts'
import { eventually, must, run } from '../harness/command.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistry } from '../harness/registry.ts'
import { BIN } from '../harness/root.ts'

test('a container in process', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'berth-embed-'))
  try {
    await using registry = await startRegistry(`${directory}/registry`)
    await pushBusybox(registry.host)
    const image = `${registry.host}/busybox`
    const env = { DOCKER_HOST: `unix://${directory}/docker.sock`, DOCKER_CONFIG: `${directory}/docker-config` }
    {
      await using berth = await openBerth({ directory, shimPath: `${BIN}/berth-shim` })
      const { engine } = berth
      await berth.listen(env.DOCKER_HOST)
      await must(['docker', 'pull', '-q', image], { env })

      const request = { Image: image, Cmd: ['sh', '-c', 'echo in process; exit 3'] }
      const { container } = await createContainer(engine, { name: 'inside', request })
      const exit = waitForContainer(container, 'next-exit', new AbortController().signal)
      await startContainer(engine, container, { isAutomatic: false })
      assert.deepEqual(await exit, { exitCode: 3, error: '' })
      await eventually('the log is written', 5000, async () =>
        (await readFile(join(container.directory, `${container.id}-json.log`), 'utf8')).includes('in process'),
      )
      assert.equal(await must(['docker', 'logs', 'inside'], { env }), 'in process')
      await removeContainer(engine, container, { force: false, removeVolumes: true })
      assert.equal(await must(['docker', 'run', '--rm', image, 'echo', 'by the client'], { env }), 'by the client')
      await must(['docker', 'run', '-d', '--name', 'stays', image, 'sleep', '1000'], { env })
    }
    assert.equal((await run(['docker', 'version'], { env })).code, 1)

    // What ran goes on, and the next engine finds it.
    await using again = await openBerth({ directory, shimPath: `${BIN}/berth-shim` })
    const stays = again.engine.containers.require('stays')
    assert.equal(stays.state.status, 'running')
    assert.ok(existsSync(`/proc/${stays.state.pid}`))
    await removeContainer(again.engine, stays, { force: true, removeVolumes: true })
    assert.deepEqual(again.engine.containers.list(), [])
  } finally {
    await rm(directory, { recursive: true, force: true }).catch(() => {})
  }
})
