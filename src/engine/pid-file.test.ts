import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isProgram } from './pid-file.ts'

test('a program is known before it has given itself a title, by its title afterwards, and no longer when it has ended', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-pid-'))
  try {
    const script = join(directory, 'berth-containerd.js')
    writeFileSync(
      script,
      "process.stdin.once('data', () => { process.title = 'berth-containerd'; process.stdout.write('titled') })",
    )
    const child = spawn(process.execPath, ['--no-warnings', script], { stdio: ['pipe', 'pipe', 'inherit'] })
    const pid = child.pid ?? 0
    assert.equal(isProgram(pid, 'berth-containerd'), true)
    assert.equal(isProgram(pid, 'berthd'), false)
    child.stdin.write('go')
    await new Promise((resolve) => child.stdout.once('data', resolve))
    assert.equal(isProgram(pid, 'berth-containerd'), true)
    const gone = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGKILL')
    await gone
    assert.equal(isProgram(pid, 'berth-containerd'), false)
    assert.equal(isProgram(process.pid, 'berth-containerd'), false)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
