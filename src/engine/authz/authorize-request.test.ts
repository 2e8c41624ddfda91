import assert from 'node:assert/strict'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { silentLog } from '../../base/log.ts'
import type { PluginRegistry } from '../plugin/plugin-registry.ts'
import { openAuthorization } from './authorize-request.ts'

function request(url: string): IncomingMessage {
  return Object.assign(new IncomingMessage(new Socket()), { method: 'GET', url })
}

function guardOf(call: (method: string, signal?: AbortSignal) => Promise<unknown>) {
  const plugin = {
    ...{ name: 'gate', implements: ['authz'] },
    call: (method: string, _: unknown, signal?: AbortSignal) => call(method, signal),
  }
  const plugins: PluginRegistry = { findPlugin: async () => plugin, listPlugins: async () => [plugin] }
  return openAuthorization({ plugins, names: () => ['gate'], log: silentLog, answerMs: 50 })
}

const noBody = () => Promise.reject(new Error('a body was read'))

test('a plugin that does not answer in time has said no', async () => {
  const connection = setInterval(() => {}, 1000) // what keeps a process waiting, as a socket would
  try {
    const guard = guardOf(
      (_, signal) =>
        new Promise((__, reject) => signal?.addEventListener('abort', () => reject(new Error('no answer')))),
    )
    await assert.rejects(guard.admit(request('/info'), noBody), /^Failure: plugin gate failed with error: no answer$/)
  } finally {
    clearInterval(connection)
  }
})

test('only a clear yes is one', async () => {
  const answers = [undefined, null, [], 'yes', {}, { Allow: 'true' }, { Allow: 1 }, { Allow: false, Msg: 'no' }]
  for (const answer of answers)
    await assert.rejects(
      guardOf(async () => answer).admit(request('/info'), noBody),
      /^Failure: (?:authorization denied by plugin gate|plugin gate failed with error)/,
      JSON.stringify(answer),
    )
  await guardOf(async () => ({ Allow: true })).admit(request('/info'), noBody)
})
