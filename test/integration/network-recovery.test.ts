// Bridge networks on the real kernel: after crashes, beside other engines, with other options, and gone.
import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { silentLog } from '../../src/base/log.ts'
import type { BridgeNetwork } from '../../src/network/bridge-network.ts'
import type { PublishRequest } from '../../src/network/network.ts'
import {
  container as makeContainer,
  ask,
  enterHost,
  hostPort,
  leaveHost,
  linkNames,
  mounts,
  NEIGHBOUR,
  open,
  root,
  ruleset,
  run,
  serve,
  store,
  until,
} from '../harness/network-host.ts'

let network: BridgeNetwork

before(async () => {
  await enterHost()
  network = await open({})
})

after(async () => {
  await network.close()
  await leaveHost()
})

const container = (name: string, ports: readonly Partial<PublishRequest>[] = [], on = network) =>
  makeContainer(name, ports, on)

test('after a crash the living are kept and the others’ traces removed', async () => {
  const kept = await container('kept', [{ hostPort: 8086 }])
  const dead = await container('dead', [{ hostPort: 8087 }])
  await network.close() // what the kernel does with the sockets of a killed process
  run(`ip link add vethabcdef0 type veth peer name p0 && ip link set vethabcdef0 master ${network.describe().bridge}`)
  run('nft add element ip berth-one published-any { tcp . 999 : 172.17.0.99 . 80 }')
  run('nft delete element ip berth-one published-any { tcp . 8086 }')
  writeFileSync(join(root, 'state-one/endpoints/x.json.123.draft'), '{')
  const id = network.describe().id

  network = await open({})
  assert.equal(network.describe().id, id)
  await network.reconcile(new Set(['kept']))
  assert.deepEqual(
    network.endpoints().map(({ key }) => key),
    ['kept'],
  )
  assert.equal(await ask('127.0.0.1', 8086), 'kept 172.17.0.1')
  assert.equal(await ask('::1', 8086), 'kept 172.17.0.1')
  assert.equal(await ask('127.0.0.1', 8087), undefined)
  assert.doesNotMatch(ruleset(), /172\.17\.0\.99|8087/)
  await until('the end of the others’ links', () => {
    const names = linkNames()
    return !names.includes(dead.hostInterface) && !names.includes('vethabcdef0') && names.includes(kept.hostInterface)
  })
  const next = await container('next')
  assert.notEqual(next.address, kept.address)
  await network.detach('next')
  await network.detach('kept')
})

test('a table that somebody removed comes back with everything in it', async () => {
  await container('early', [{ hostPort: 8088 }])
  run('nft flush ruleset')
  await container('late', [{ hostPort: 8089 }])
  assert.equal(await ask('10.9.0.1', 8088, NEIGHBOUR), 'early 10.9.0.2')
  assert.equal(await ask('10.9.0.1', 8089, NEIGHBOUR), 'late 10.9.0.2')
  await network.detach('early')
  await network.detach('late')
})

test('engines side by side have subnets, tables and containers of their own, and leave nothing', async () => {
  const before = { links: linkNames(), ruleset: ruleset(), mounts: mounts() }
  const second = await open({ instance: 'two' })
  assert.equal(second.describe().subnet, '172.18.0.0/16')
  const here = await container('here')
  const there = await container('there', [{ hostPort: 8090 }], second)
  assert.equal(await ask(there.address, 80), 'there 172.18.0.1')
  assert.equal(await ask(there.address, 80, here.netns), undefined, 'networks are apart')
  assert.equal(await ask('10.9.0.1', 8090, here.netns), 'there 172.18.0.1', 'but for published ports')
  await network.detach('here')
  await second.destroy()
  for (const { netns } of [here, there]) await store.remove(netns)
  await until('the end of its links', () => linkNames().every((name) => before.links.includes(name)))
  assert.equal(ruleset(), before.ruleset)
  assert.equal(mounts(), before.mounts)
})

test('without inter-container communication containers reach the host, but not each other', async () => {
  const apart = await open({ instance: 'apart', interContainerCommunication: false })
  const a = await container('a1', [], apart)
  const b = await container('b1', [{ hostPort: 8091 }], apart)
  assert.equal(await ask(b.address, 80, a.netns), undefined)
  assert.equal(await ask('10.9.0.1', 8091, a.netns), `b1 ${apart.describe().gateway}`)
  assert.equal(await ask(b.address, 80), `b1 ${apart.describe().gateway}`)
  await apart.destroy()
})

for (const [how, callsIptables] of [
  ['by the bridge', '0'],
  ['by bridge-netfilter', '1'],
] as const) {
  test(`kept apart ${how}, one container reaches exactly what was opened to it`, async () => {
    run(`echo ${callsIptables} > /proc/sys/net/bridge/bridge-nf-call-iptables`)
    let apart = await open({ instance: 'links', interContainerCommunication: false })
    const [dbName, webName, otherName] = ['db', 'linked', 'stranger'].map((name) => `${name}${callsIptables}`) as [
      string,
      string,
      string,
    ]
    const db = await container(dbName, [], apart)
    const [web, other] = [await container(webName, [], apart), await container(otherName, [], apart)]
    serve(db.netns, 'more', 81)
    const open80 = [{ from: webName, to: dbName, protocol: 'tcp', port: 80 }] as const
    assert.equal(await ask(db.address, 80, web.netns), undefined)
    apart.setPassages([...open80, { from: 'nobody', to: dbName, protocol: 'tcp', port: 81 }])
    const proveIt = async () => {
      const answers = await Promise.all([
        ask(db.address, 80, web.netns),
        ask(db.address, 81, web.netns), // another port
        ask(web.address, 80, db.netns), // the other way
        ask(db.address, 80, other.netns), // somebody else
        ask(other.address, 80, web.netns), // and to somebody else
      ])
      assert.deepEqual(answers, [`${dbName} ${web.address}`, undefined, undefined, undefined, undefined])
    }
    await proveIt()
    await apart.close()
    apart = await open({ instance: 'links', interContainerCommunication: false })
    run('nft add element ip berth-links linked { tcp . 172.18.0.77 . 172.18.0.78 . 99 }')
    await apart.reconcile(new Set([dbName, webName, otherName]))
    apart.setPassages(open80)
    await proveIt()
    assert.doesNotMatch(ruleset(), /172\.18\.0\.77/)
    run('nft delete table ip berth-links')
    await container(`another${callsIptables}`, [{ hostPort: 8093 }], apart) // the table comes back, and the links with it
    await proveIt()
    apart.setPassages([])
    assert.equal(await ask(db.address, 80, web.netns), undefined, 'closed again')
    await apart.destroy()
  })
}

test('without nftables the sockets carry published ports', async () => {
  const plain = await open({ instance: 'plain', iptables: false, bip: '10.77.0.1/24' })
  const web = await container('web2', [{ hostPort: 8092 }], plain)
  assert.equal(web.address, '10.77.0.2')
  assert.equal(await ask('127.0.0.1', 8092), 'web2 10.77.0.1')
  assert.equal(await ask('10.9.0.1', 8092, NEIGHBOUR), 'web2 10.77.0.1')
  assert.doesNotMatch(ruleset(), /berth-plain/)
  await plain.destroy()
})

test('another bip takes the place of the one before', async () => {
  const narrow = await open({ instance: 'bip', bip: '10.50.0.1/24' })
  await narrow.close()
  const wide = await open({ instance: 'bip', bip: '10.50.0.1/16' })
  assert.equal(wide.describe().subnet, '10.50.0.0/16')
  assert.match(ruleset(), /10\.50\.0\.0\/16/)
  assert.doesNotMatch(ruleset(), /10\.50\.0\.0\/24/)
  await wide.destroy()
})

test('fifty containers at once get fifty addresses and ports', async () => {
  const names = Array.from({ length: 50 }, (_, index) => `many${index}`)
  const all = await Promise.all(names.map((name) => container(name, [{}])))
  assert.equal(new Set(all.map(({ address }) => address)).size, 50)
  assert.equal(new Set(all.map(hostPort)).size, 50)
  const last = all.at(-1)
  assert.ok(last)
  assert.equal(await ask('127.0.0.1', hostPort(last)), `many49 172.17.0.1`)
  await Promise.all(names.map((name) => network.detach(name)))
  assert.doesNotMatch(ruleset(), /172\.17\.0\.\d+ \. 80/)
})

test('another firewall that drops what containers send is named in the log, and left alone', async () => {
  run("nft 'add table ip other { chain FORWARD { type filter hook forward priority 0; policy drop; }; }'")
  const warnings: unknown[] = []
  const warned = await open({ instance: 'warned' }, { ...silentLog, warn: (_, fields) => warnings.push(fields) })
  assert.deepEqual(warnings, [{ chain: 'other FORWARD', bridge: warned.describe().bridge }])
  await warned.destroy()
  assert.match(run('nft list chain ip other FORWARD'), /policy drop/)
  run('nft delete table ip other')
})

test('destroy leaves the host as it was', async () => {
  await network.destroy()
  assert.equal(ruleset(), '')
  await until('the bridge’s end', () => !linkNames().some((name) => name.startsWith('br-')))
  assert.deepEqual(readdirSync(join(root, 'state-one')), [])
})
