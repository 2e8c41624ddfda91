import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Log } from '../base/log.ts'
import { AF_UNIX, SOCK_DGRAM, SOCK_NONBLOCK } from './constants.ts'
import { openNativeKernel } from './native-kernel.ts'
import { connectServiceManager } from './service-manager.ts'
import { unixAddress } from './unix-address.ts'

const PATH = `@berth-service-manager-${process.pid}`

function recordingLog(): { log: Log; warnings: string[] } {
  const warnings: string[] = []
  return { log: { debug() {}, info() {}, warn: (message) => void warnings.push(message), error() {} }, warnings }
}

test('without a socket nothing is said; the variables are taken out of the environment either way', () => {
  const env = { NOTIFY_SOCKET: '', WATCHDOG_USEC: '1', WATCHDOG_PID: '1', OTHER: 'x' }
  using manager = connectServiceManager(openNativeKernel(), env, recordingLog().log)
  manager.ready()
  assert.deepEqual(env, { OTHER: 'x' })
})

test('a manager that does not read stops nobody: what it cannot be told is told to the log', () => {
  const kernel = openNativeKernel()
  const receiver = kernel.socket(AF_UNIX, SOCK_DGRAM, 0)
  kernel.bind(receiver, unixAddress(PATH))
  const watched = {
    socket: (domain: number, type: number, protocol: number) => {
      assert.ok(type & SOCK_NONBLOCK, 'this would wait for ever')
      return kernel.socket(domain, type, protocol)
    },
    connect: kernel.connect.bind(kernel),
    send: kernel.send.bind(kernel),
  }
  const { log, warnings } = recordingLog()
  using manager = connectServiceManager(watched, { NOTIFY_SOCKET: PATH }, log)
  const QUEUE_MAX = 100_000 // net.unix.max_dgram_qlen is ten, or some hundreds
  for (let sent = 0; sent < QUEUE_MAX && warnings.length === 0; sent++) manager.reloading()
  kernel.close(receiver)
  assert.deepEqual(warnings, ['notify failed'])
})
