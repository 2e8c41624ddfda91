// `docker commit`: the same images as the original dockerd's, to who inspects them and to who runs them.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { call } from '../harness/api.ts'
import type { TestEngine } from '../harness/berth.ts'
import { eventually, must } from '../harness/command.ts'
import { type EnginePair, startEnginePair } from '../harness/engine-pair.ts'
import { pushBusybox } from '../harness/images.ts'

let pair: EnginePair | undefined

before(async () => {
  pair = await startEnginePair(async (registry) => {
    await pushBusybox(registry.host, 'pair:latest', { Cmd: ['sleep', '1000'], Labels: { of: 'the image' } })
    return `${registry.host}/pair`
  })
})

after(async () => {
  await pair?.[Symbol.asyncDispose]()
})

const ctr = (engine: TestEngine, ...args: string[]) =>
  must(['ctr', '-a', join(engine.directory, 'exec/containerd/containerd.sock'), '-n', 'moby', ...args])

const TOUCHED = 'find / -xdev -mindepth 1 -exec touch -h -d 200102030405 {} + 2>/dev/null'
/** Every file of an image with all that stat tells, but for what the engine puts there at the start. */
const SHOW = `sh -c 'find / -xdev ! -path "/proc*" ! -path "/sys*" ! -path "/dev*" ! -path "/etc/h*" ! -path "/etc/resolv*" ! -path "/etc/mtab" ! -path "/.dockerenv" ! -path / ! -path /etc ! -path /vol -exec stat -c "%n %F %a %u:%g %h %Y" {} + | sort; cat /new/a/b/c 2>/dev/null'`
const WRITTEN = [
  'mkdir -p /new/a/b; echo 1 > /new/a/b/c; ln /new/a/b/c /new/h; chmod 4755 /new/h',
  'rm -r /home /etc/group',
  'chown 5:6 /etc/passwd; chmod 700 /root',
  'ln -s a /lnk; mkfifo /fifo; mknod /tmp/device c 1 3',
  'rm -r /var/www; mkdir /var/www; echo n > /var/www/index',
  'rm -r /var; echo file > /var; rm /bin/ls; mkdir /bin/ls',
  'mkdir /d; chown 7:8 /d; chmod 2770 /d; echo x > /d/x',
  'echo x > /vol/x',
]

describe('files', { concurrency: 2 }, () => {
  for (const [index, script] of WRITTEN.entries())
    test(script, async () => {
      const [c, i] = [`written-${index}`, `image:${index}`]
      await pair?.assertSame(
        `docker run --name ${c} --net none -v /vol pair sh -c '${script}; ${TOUCHED}; :'; docker commit ${c} ${i} | cut -c1-7
         docker rm -fv ${c} >/dev/null; docker run --rm --net none ${i} ${SHOW}; docker run --name ${c} --net none ${i} true; docker diff ${c} | sort; docker rm -fv ${c} >/dev/null; docker rmi ${i} >/dev/null`,
        { expect: /\/bin\/busybox regular file/ },
      )
    })

  test('attributes and capabilities', async () => {
    await pair?.assertSame(
      `docker create --name attributes --net none pair >/dev/null; cp /bin/true t; setcap cap_net_raw+ep t; setfattr -n user.x -v y t; tar --xattrs --xattrs-include='*' -cf t.tar t
       docker cp - attributes:/tmp < t.tar; docker commit attributes with:attributes >/dev/null; docker rm attributes >/dev/null
       docker create --name attributes --net none with:attributes >/dev/null; docker cp attributes:/tmp/t back; getcap back; docker rm attributes >/dev/null; docker rmi with:attributes >/dev/null`,
      { expect: /back cap_net_raw=ep/ },
    )
  })
})

const CHANGES = [
  '',
  `-a 'Me <m@e>' -m 'a message'`,
  `-c 'CMD ["a","b"]' -c 'ENTRYPOINT /bin/x $Y'`,
  `-c 'ENTRYPOINT ["/bin/x"]'`,
  `-c 'CMD echo $HOME'`,
  `-c 'ENV A=c "B"="x y" C=$A D=\${NO:-none}' -c 'ENV E f  g'`,
  `-c 'EXPOSE 80 90-92/udp' -c 'expose 100/sctp'`,
  `-c 'LABEL l="1 2" m=3' -c 'LABEL of=me'`,
  `-c 'ONBUILD RUN x' -c 'USER user' -c 'VOLUME /v1 /v2' -c 'VOLUME ["/v 3"]'`,
  `-c 'WORKDIR sub' -c 'WORKDIR ../other'`,
  `-c 'HEALTHCHECK --interval=5s --timeout=1m30s --retries=3 CMD true'`,
  `-c 'HEALTHCHECK CMD ["true", "x"]'`,
  `-c 'HEALTHCHECK NONE'`,
  `-c 'CMD a \\
     b'`,
]
const REFUSED = [
  ...[`-c 'ENV'`, `-c 'ENV a'`, `-c 'HEALTHCHECK foo'`, `-c 'ONBUILD ONBUILD x'`, `-c 'USER'`, `-c 'LABEL'`],
]

describe('configuration', () => {
  before(async () => {
    await pair?.both(
      'docker run --name configured --net none -v /vol -e HOME=/h --label x=y -w /root pair sh -c "echo > /changed"',
    )
  })

  for (const change of CHANGES)
    test(change === '' ? 'as the container has it' : change, async () => {
      await pair?.assertSame(
        `docker commit ${change} configured conf:x >/dev/null; docker image inspect conf:x -f '{{json .Config}}' | sed -E 's/"Hostname":"[^"]*",//'
         docker image inspect conf:x -f '{{.Author}}|{{.Comment}}|{{.Architecture}}|{{.Os}}|{{len .RootFS.Layers}}|{{.RepoTags}}'; docker history --no-trunc --format '{{.CreatedBy}}|{{.Comment}}' conf:x; docker rmi conf:x >/dev/null`,
        { expect: /\[conf:x\]/ },
      )
    })

  for (const change of REFUSED)
    test(`refused: ${change}`, async () => {
      await pair?.assertSame(`docker commit ${change} configured; docker images -q -f dangling=true`, {
        expect: /Error response from daemon/,
      })
    })

  test('what no image may be changed by; what is not there; what is no name', async () => {
    const { ours, registry } = pair ?? {}
    assert.ok(registry)
    const result = await ours?.docker(['commit', '-c', 'RUN x', 'configured'])
    assert.equal(result?.stderr.trim(), 'Error response from daemon: RUN is not a valid change command')
    const signal = await ours?.docker(['commit', '-c', 'STOPSIGNAL nope', 'configured'])
    assert.equal(signal?.stderr.trim(), 'Error response from daemon: invalid signal: nope')
    await pair?.assertSame('docker commit nope; docker commit configured UPPER; docker commit configured a:b:c', {
      expect: /No such container: nope/,
    })
  })
})

describe('running containers', () => {
  test('it is paused, and goes on; one that was paused stays so; nothing written is an empty entry', async () => {
    await pair?.assertSame(
      `docker run -d --name live --net none pair >/dev/null; docker commit live live:1 >/dev/null; docker inspect -f '{{.State.Status}}' live
       docker image inspect live:1 -f '{{len .RootFS.Layers}}'; docker history live:1 --format '{{.Size}} {{.CreatedBy}}' | head -1
       docker pause live >/dev/null; docker commit live >/dev/null; docker inspect -f '{{.State.Status}}' live
       docker rm -fv live >/dev/null; docker rmi live:1 >/dev/null; docker images -q -f dangling=true | wc -l; docker image prune -f >/dev/null`,
      { expect: /running\n1\n0B sleep 1000\npaused\n1\n/ },
    )
  })

  test('two commits at once each have it paused to their end', async () => {
    assert.ok(pair)
    const { ours } = pair
    const script = 'head -c 30M /dev/urandom > /large; touch /ready; sleep 1000'
    await ours.ok('run', '-d', '--name', 'twice', '--net', 'none', 'pair', 'sh', '-c', script)
    const isReady = async () => (await ours.docker(['exec', 'twice', 'test', '-e', '/ready'])).code === 0
    await eventually('it has written', 60_000, isReady)
    await Promise.all(['twice:1', 'twice:2'].map((name) => ours.ok('commit', 'twice', name)))
    const until = String(Math.ceil(Date.now() / 1000) + 1)
    const filters = ['container=twice', 'event=pause', 'event=unpause'].flatMap((filter) => ['-f', filter])
    const told = await ours.ok('events', '--since', '0', '--until', until, '--format', '{{.Action}}', ...filters)
    assert.equal(told, 'pause\nunpause\npause\nunpause')
    await ours.ok('rm', '-f', 'twice')
    await ours.ok('rmi', 'twice:1', 'twice:2')
  })

  test('kill -9 of the engine in the middle leaves neither a lease nor an upload, and lets the container go on', async () => {
    assert.ok(pair)
    const { ours } = pair
    await ours.ok(
      'run',
      '-d',
      '--name',
      'large',
      '--net',
      'none',
      'pair',
      'sh',
      '-c',
      'head -c 300M /dev/urandom > /large; touch /ready; sleep 1000',
    )
    await eventually(
      'it has written',
      60_000,
      async () => (await ours.docker(['exec', 'large', 'test', '-e', '/ready'])).code === 0,
    )
    const committing = ours.docker(['commit', 'large', 'large:1'])
    await eventually(
      'it is paused',
      30_000,
      async () => (await ours.ok('inspect', '-f', '{{.State.Status}}', 'large')) === 'paused',
    )
    await ours.killEngine()
    await committing
    await ours.start()
    await eventually(
      'it goes on',
      30_000,
      async () => (await ours.ok('inspect', '-f', '{{.State.Status}}', 'large')) === 'running',
    )
    assert.equal(await ours.ok('images', '-q', 'large'), '')
    await eventually(
      'nothing is left',
      30_000,
      async () =>
        (await ctr(ours, 'leases', 'ls', '-q')) === '' && !/ingest/.test(await ctr(ours, 'content', 'active')),
    )
    await ours.ok('commit', 'large', 'large:1')
    await ours.ok('rm', '-f', 'large')
    await ours.ok('rmi', 'large:1')
  })

  test('a client that goes away in the middle leaves nothing, and the container goes on', async () => {
    assert.ok(pair)
    const { ours } = pair
    await ours.ok(
      'run',
      '-d',
      '--name',
      'left',
      '--net',
      'none',
      'pair',
      'sh',
      '-c',
      'head -c 100M /dev/urandom > /large; touch /ready; sleep 1000',
    )
    await eventually(
      'it has written',
      60_000,
      async () => (await ours.docker(['exec', 'left', 'test', '-e', '/ready'])).code === 0,
    )
    const gone = ours.docker(['commit', 'left', 'left:1'], { timeoutMs: 700 }).catch(() => undefined)
    await gone
    await eventually(
      'it goes on',
      30_000,
      async () => (await ours.ok('inspect', '-f', '{{.State.Status}}', 'left')) === 'running',
    )
    await eventually('no lease is left', 30_000, async () => (await ctr(ours, 'leases', 'ls', '-q')) === '')
    assert.equal((await call(ours.socketPath, 'GET /v1.41/_ping')).status, 200)
    await ours.ok('rm', '-f', 'left')
  })

  const snapshots = async (engine: TestEngine) =>
    (await ctr(engine, 'snapshots', 'ls')).split('\n').map((line) => line.split(' ')[0] ?? '')

  test('an image whose unpacking was cut short, or undone, is unpacked by who needs it', async () => {
    assert.ok(pair)
    const { ours } = pair
    const script = 'mkdir /many; cd /many; for i in $(seq 3000); do echo $i > $i; done; touch /ready; exec sleep 1000'
    await ours.ok('run', '-d', '--name', 'many', '--net', 'none', 'pair', 'sh', '-c', script)
    const isReady = async () => (await ours.docker(['exec', 'many', 'test', '-e', '/ready'])).code === 0
    await eventually('it has written', 60_000, isReady)
    const count = (name: string, ...more: string[]) =>
      ours.ok(
        'run',
        '--rm',
        '--net',
        'none',
        ...more,
        name,
        'sh',
        '-c',
        'cat /many/* | wc -l; cat /image/many/* | wc -l',
      )

    /** Each with a layer that no image has yet. */
    const commit = async (name: string) => {
      await ours.ok('exec', 'many', 'sh', '-c', `echo > /many/${name}`)
      await ours.ok('commit', 'many', name)
    }

    await commit('many:1')
    await ours.killEngine()
    await ours.start()
    await eventually('no lease is left', 30_000, async () => (await ctr(ours, 'leases', 'ls', '-q')) === '')
    assert.match(await count('many:1'), /^3001\n/)

    // At once after the commit, and by a mount first of all.
    await commit('many:2')
    const [both] = await Promise.all([
      count('many:2', '--mount', 'type=image,source=many:2,target=/image'),
      count('many:2'),
    ])
    assert.equal(both, '3002\n3002')
    const sizes = async () => [
      await ours.ok('image', 'inspect', '-f', '{{.Size}}', 'many:3'),
      await ours.ok('history', '--format', '{{.Size}}', 'many:3'),
    ]
    await commit('many:3')
    const atOnce = await sizes()
    await eventually('no lease is left', 30_000, async () => (await ctr(ours, 'leases', 'ls', '-q')) === '')
    assert.deepEqual(await sizes(), atOnce)

    const before = await snapshots(ours)
    await commit('many:4')
    await eventually('no lease is left', 30_000, async () => (await ctr(ours, 'leases', 'ls', '-q')) === '')
    const [added, ...others] = (await snapshots(ours)).filter((name) => !before.includes(name))
    assert.ok(added !== undefined && others.length === 0, 'its topmost snapshot')
    await ctr(ours, 'snapshots', 'rm', added)
    assert.match(await count('many:4', '--mount', 'type=image,source=many:4,target=/image'), /^3004\n3004$/)
    await ours.ok('rm', '-f', 'many')
    await ours.ok('rmi', 'many:1', 'many:2', 'many:3', 'many:4')
    await eventually('they are gone', 30_000, async () => !(await snapshots(ours)).includes(added))
  })
})
