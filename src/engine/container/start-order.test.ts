import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HostConfig } from '../../api/container-types.ts'
import { silentLog } from '../../base/log.ts'
import { Container } from './container.ts'
import { initialState } from './container-state.ts'
import { LinkIndex } from './links/link-index.ts'
import { startRounds } from './start-order.ts'

function container(id: string, hostConfig: HostConfig = {}): Container {
  const record = {
    ...{ version: 1 as const, id, name: id, createdAt: '2026-01-01T00:00:00Z' },
    image: { id: 'sha256:x', chainId: undefined, manifest: undefined },
    ...{ path: 'sh', args: [], config: {}, hostConfig, state: initialState() },
    ...{ restartCount: 0, wasStopped: false, hasRun: false, endpoint: undefined, mountPoints: [] },
  }
  return new Container(record, '/nowhere', silentLog)
}

test('those that others share namespaces with or are linked to come in an earlier round', () => {
  const [db, web, proxy, guest] = [
    container('db'),
    container('web'),
    container('proxy'),
    container('guest', { PidMode: 'container:proxy' }),
  ]
  const links = new LinkIndex()
  links.add(web, 'db', db)
  links.add(proxy, 'web', web)
  const all = [guest, proxy, web, db]
  const store = { links, find: (name: string) => all.find(({ id }) => id === name) }
  const rounds = (containers: Container[]) => startRounds(store, containers).map((round) => round.map(({ id }) => id))
  assert.deepEqual(rounds(all), [['db'], ['web'], ['proxy'], ['guest']])
  assert.deepEqual(rounds([guest, web]), [['guest', 'web']]) // nobody that they lean on is to be started
  links.add(db, 'proxy', proxy)
  assert.deepEqual(rounds([db, web, proxy]), [['db', 'web', 'proxy']]) // nobody could be first
})
