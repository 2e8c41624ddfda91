// After containers of every fate nothing of ours is left in the kernel.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { startEngine } from '../harness/berth.ts'
import { eventually, must } from '../harness/command.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistry } from '../harness/registry.ts'
import { listResidue } from '../harness/residue.ts'

test('mounts, namespaces, links, cgroups, tables and processes are as before', async () => {
  const empty = await listResidue('berth-test-')
  const engine = await startEngine({ cgroups: 'own' })
  const registry = await startRegistry(`${engine.directory}/registry`)
  try {
    await pushBusybox(registry.host)
    const image = `${registry.host}/busybox`
    await engine.ok('pull', image)
    const idle = await listResidue(engine.directory, engine.cgroupParent)
    const openFiles = () =>
      [engine.enginePid(), engine.containerdPid()].map((pid) => readdirSync(`/proc/${pid}/fd`).length)
    await engine.ok('run', '--rm', image, 'true')
    const baseline = openFiles()
    for (let round = 0; round < 3; round++) {
      await engine.ok('run', '--rm', '-p', '0:80', image, 'true')
      await engine.docker(['run', '--rm', image, 'no-such-program'])
      await engine.docker(['run', '--rm', '-p', '99999:80', image, 'true'])
      await engine.docker(['run', '--rm', '-v', '/dev/null:/proc/x:ro', image, 'true'])
      await engine.docker(['run', '--rm', '-m', '1k', image, 'true'])
      await engine.docker(['pull', `${registry.host}/missing`])
      const id = await engine.ok('run', '-d', '-m', '64m', image, 'sleep', '1000')
      await engine.ok('exec', id, 'true')
      await engine.ok('pause', id)
      await engine.ok('rm', '-f', id)
    }
    assert.equal(await engine.ok('ps', '-aq'), '')
    await eventually('the kernel holds what it held before', 5000, async () => {
      const now = await listResidue(engine.directory, engine.cgroupParent)
      return (
        JSON.stringify(now) === JSON.stringify(idle) ||
        Promise.reject(new Error(now.filter((line) => !idle.includes(line)).join('\n')))
      )
    })
    await eventually('open files are back', 5000, () =>
      openFiles().every((count, index) => count <= (baseline[index] ?? 0) + 2),
    )
    const tree = await must(['pstree', '-a', String(engine.enginePid())])
    assert.match(tree, /^berthd\n[\s\S]*berth-container\b/) // the kernel keeps 15 letters of a name
  } finally {
    await registry[Symbol.asyncDispose]()
    await engine[Symbol.asyncDispose]()
  }
  await eventually('nothing is left after the engine', 5000, async () => {
    const left = await listResidue('berth-test-')
    return (
      JSON.stringify(left) === JSON.stringify(empty) ||
      Promise.reject(new Error(left.filter((line) => !empty.includes(line)).join('\n')))
    )
  })
})

test('the process tree is engine, containerd, and one shim per container with its process under it', async () => {
  const engine = await startEngine()
  const registry = await startRegistry(`${engine.directory}/registry`)
  try {
    await pushBusybox(registry.host)
    await engine.ok('run', '-d', '--name', 'tree', `${registry.host}/busybox`, 'sleep', '4321')
    const pid = await engine.ok('inspect', '-f', '{{.State.Pid}}', 'tree')
    const shim = (await must(['ps', '-o', 'ppid=', '-p', pid])).trim()
    assert.match(await must(['ps', '-o', 'args=', '-p', shim]), /^berth-shim /)
    assert.match(await must(['pstree', '-A', '-a', '-l', shim]), /^berth-shim .*\n +`-sleep 4321$/)
    assert.equal((await must(['ps', '-o', 'comm=', '-p', String(engine.enginePid())])).trim(), 'berthd')
    assert.equal(
      (await must(['ps', '-o', 'ppid=', '-p', String(engine.containerdPid())])).trim(),
      String(engine.enginePid()),
    )
    assert.match(await must(['ps', '-o', 'comm=', '-p', String(engine.containerdPid())]), /^berth-container/)
  } finally {
    await registry[Symbol.asyncDispose]()
    await engine[Symbol.asyncDispose]()
  }
})
