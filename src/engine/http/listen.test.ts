import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Log } from '../../base/log.ts'
import { listenOn } from './listen.ts'

const QUIET: Log = { debug() {}, info() {}, warn() {}, error() {} }

test('a socket is closed to others from its first moment, and nobody else’s files are', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-listen-'))
  context.after(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'api.sock')
  const before = process.umask()
  const seen: { mode: number; umask: number }[] = []
  const makeServer = () =>
    createServer().once('listening', () => seen.push({ mode: statSync(path).mode & 0o777, umask: process.umask() }))
  const [server] = await listenOn(
    { kind: 'unix', path },
    { makeServer, isTls: false, group: '', activated: [], log: QUIET },
  )
  server?.close()
  assert.deepEqual(seen, [{ mode: 0o600, umask: before }])
})
