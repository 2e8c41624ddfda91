import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { HostConfig } from '../../../api/container-types.ts'
import { silentLog } from '../../../base/log.ts'
import type { Container } from '../container.ts'
import { ContainerStore } from '../container-store.ts'
import { initialState } from '../container-state.ts'
import { hostsOfLinked, variablesOfLinked } from './linked-containers.ts'
import { linkVariables } from './link-variables.ts'
import { findPassages } from './open-links.ts'
import { parseLink } from './parse-link.ts'
import { registerLinks, restoreLinks } from './register-links.ts'

interface Host {
  containers: ContainerStore
  log: typeof silentLog
}

function withHost(run: (host: Host, add: (name: string, hostConfig?: HostConfig) => Container) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'berth-links-'))
  try {
    const containers = ContainerStore.open(directory, silentLog)
    let count = 0
    run({ containers, log: silentLog }, (name, hostConfig = {}) =>
      containers.add({
        ...{ version: 1, id: String(++count).padStart(64, '0'), name, createdAt: '2026-01-01T00:00:00Z' },
        image: { id: 'sha256:x', chainId: undefined, manifest: undefined },
        ...{ path: 'sh', args: [], config: { Hostname: `${name}-host` }, hostConfig, state: initialState() },
        ...{ restartCount: 0, wasStopped: false, hasRun: false, endpoint: undefined, mountPoints: [] },
      }),
    )
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function bringUp(container: Container, address: string): void {
  container.state.status = 'running'
  container.record.endpoint = {
    ...{ key: container.id, endpointId: 'e', interfaceName: 'eth0', hostInterface: 'veth0', address },
    ...{ prefixLength: 16, gateway: '172.17.0.1', macAddress: '', ports: [] },
  }
}

test('where containers are kept apart a link opens what the other one exposes, in one direction, once, and while both have an address', () => {
  withHost((host, add) => {
    const [db, off] = [add('db'), add('off')]
    db.record.config.ExposedPorts = { '80/tcp': {}, '53/UDP': {}, '9': {}, '0/tcp': {}, '70000/tcp': {}, '5/icmp': {} }
    off.record.config.ExposedPorts = { '81/tcp': {} }
    const web = add('web', { Links: ['db:a', 'db:b', 'off:c'] })
    registerLinks(host, web)
    const find = () =>
      findPassages(host.containers.list(), host.containers.links).map(
        ({ from, to, protocol, port }) => `${Number(from)} ${Number(to)} ${port}/${protocol}`,
      )
    assert.deepEqual(find(), [])
    bringUp(web, '172.17.0.2')
    assert.deepEqual(find(), [])
    bringUp(db, '172.17.0.3')
    assert.deepEqual(find().sort(), ['3 1 53/udp', '3 1 80/tcp', '3 1 9/tcp'])
    host.containers.links.remove(web, 'a')
    assert.equal(find().length, 3)
    host.containers.links.remove(web, 'b')
    assert.deepEqual(find(), [])
  })
})

test('a link is a name and an alias, also as inspect shows it', () => {
  assert.deepEqual(parseLink('db'), { name: 'db', alias: 'db' })
  assert.deepEqual(parseLink('db:store'), { name: 'db', alias: 'store' })
  assert.deepEqual(parseLink('/db:/web/store'), { name: 'db', alias: 'store' })
  assert.deepEqual(parseLink('db:'), { name: 'db', alias: '' })
  assert.deepEqual(parseLink('db:../../x'), { name: 'db', alias: 'x' })
  assert.throws(() => parseLink(''), { code: 'unknown', message: 'empty string specified for links' })
  assert.throws(() => parseLink('a:b:c'), { code: 'unknown', message: 'bad format for links: a:b:c' })
})

test('ports become variables one by one, and once more as a range where they follow each other; TCP comes first', () => {
  const variables = linkVariables({
    ...{
      alias: 'my-db',
      name: '/web/my-db',
      address: '172.17.0.2',
      env: ['HOME=/', 'PATH=/bin', 'LANG=C', 'BARE', 'E='],
    },
    exposedPorts: ['53/udp', '81/tcp', '80/tcp'],
  })
  assert.deepEqual(variables, [
    'MY_DB_PORT=tcp://172.17.0.2:80',
    'MY_DB_PORT_80_TCP=tcp://172.17.0.2:80',
    'MY_DB_PORT_80_TCP_ADDR=172.17.0.2',
    'MY_DB_PORT_80_TCP_PORT=80',
    'MY_DB_PORT_80_TCP_PROTO=tcp',
    'MY_DB_PORT_81_TCP=tcp://172.17.0.2:81',
    'MY_DB_PORT_81_TCP_ADDR=172.17.0.2',
    'MY_DB_PORT_81_TCP_PORT=81',
    'MY_DB_PORT_81_TCP_PROTO=tcp',
    'MY_DB_PORT_53_UDP=udp://172.17.0.2:53',
    'MY_DB_PORT_53_UDP_ADDR=172.17.0.2',
    'MY_DB_PORT_53_UDP_PORT=53',
    'MY_DB_PORT_53_UDP_PROTO=udp',
    'MY_DB_PORT_80_TCP_START=tcp://172.17.0.2:80',
    'MY_DB_PORT_80_TCP_PORT_START=80',
    'MY_DB_PORT_80_TCP_END=tcp://172.17.0.2:81',
    'MY_DB_PORT_80_TCP_PORT_END=81',
    'MY_DB_NAME=/web/my-db',
    'MY_DB_ENV_LANG=C',
    'MY_DB_ENV_E=',
  ])
})

test('a link gives the other container a name, for as long as both are there', () => {
  withHost((host, add) => {
    const db = add('db')
    const web = add('web', { Links: ['db:store', 'db'] })
    registerLinks(host, web)
    const { containers } = host
    assert.deepEqual(containers.namesOf(db), ['db', 'web/db', 'web/store'])
    for (const name of ['web/store', '/web/db']) assert.equal(containers.require(name), db)
    containers.rename(web, 'shop')
    assert.deepEqual(containers.namesOf(db), ['db', 'shop/db', 'shop/store'])
    assert.throws(() => containers.require('web/store'), { code: 'not-found' })
    containers.links.remove(web, 'store')
    assert.deepEqual(containers.namesOf(db), ['db', 'shop/db'])
    containers.delete(web)
    assert.deepEqual(containers.namesOf(db), ['db'])
  })
})

test('of two containers under one alias the first stays, and an empty alias is nobody', () => {
  withHost((host, add) => {
    const [one, two] = [add('one'), add('two')]
    const web = add('web', { Links: ['one:x', 'two:x', 'two:'] })
    registerLinks(host, web)
    assert.equal(host.containers.require('web/x'), one)
    assert.deepEqual(host.containers.namesOf(two), ['two'])
    assert.deepEqual(web.record.links, [{ alias: 'x', id: one.id, name: 'one' }])
  })
})

test('who is not there, or has no network of its own, is not linked to', () => {
  withHost((host, add) => {
    add('open', { NetworkMode: 'host' })
    const owner = add('owner')
    add('guest', { NetworkMode: `container:${owner.id}` })
    assert.throws(() => registerLinks(host, add('a', { Links: ['nobody:x'] })), {
      code: 'invalid-argument',
      message: 'could not get container for nobody: No such container: nobody',
    })
    assert.throws(() => registerLinks(host, add('b', { Links: ['open:x'] })), {
      code: 'invalid-argument',
      message:
        "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
    })
    registerLinks(host, add('c', { Links: ['guest:x'] }))
    assert.equal(host.containers.require('c/x'), owner)
  })
})

test('an environment and hosts are of containers that run now', () => {
  withHost((host, add) => {
    const db = add('db')
    const web = add('web', { Links: ['db:store'] })
    registerLinks(host, web)
    const refusal = { code: 'unknown', message: 'Cannot link to a non running container: /db AS /web/store' }
    assert.throws(() => variablesOfLinked(host, web), refusal)
    assert.deepEqual(hostsOfLinked(host, web), [])
    bringUp(db, '172.17.0.7')
    assert.deepEqual(variablesOfLinked(host, web), ['STORE_NAME=/web/store'])
    assert.deepEqual(hostsOfLinked(host, web), [{ address: '172.17.0.7', names: ['store', 'db-host', 'db'] }])
    web.record.hostConfig.NetworkMode = 'none'
    assert.deepEqual([variablesOfLinked(host, web), hostsOfLinked(host, web)], [[], []])
    web.record.hostConfig.NetworkMode = 'bridge'
    db.record.hostConfig.NetworkMode = 'none'
    const elsewhere = { code: 'unknown', message: `container ${db.id} not attached to default bridge network` }
    assert.throws(() => variablesOfLinked(host, web), elsewhere)
    db.record.hostConfig.NetworkMode = 'bridge'
    db.isGone = true
    host.containers.delete(db)
    assert.throws(() => variablesOfLinked(host, web), refusal)
  })
})

test('after a restart of the engine a link leads to the same container, else to one of its name, else nowhere', () => {
  withHost((host, add) => {
    const db = add('renamed')
    const other = add('other')
    const web = add('web')
    web.record.links = [
      { alias: 'a', id: db.id, name: 'db' },
      { alias: 'b', id: 'f'.repeat(64), name: 'other' },
      { alias: 'c', id: 'f'.repeat(64), name: 'nobody' },
    ]
    restoreLinks(host)
    const links = host.containers.links.childrenOf(web)
    assert.deepEqual(
      [...links],
      [
        ['a', db],
        ['b', other],
      ],
    )
  })
})
