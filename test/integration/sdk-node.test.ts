// dockerode and, on top of it, testcontainers: what test suites in JavaScript drive an engine with.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import Docker from 'dockerode'
import type { GenericContainer, Wait } from 'testcontainers'
import { type TestEngine, startEngine } from '../harness/berth.ts'
import { eventually, must } from '../harness/command.ts'
import { debianWithRedis } from '../harness/debian.ts'
import { pushBusybox, pushImage } from '../harness/images.ts'
import { type TestRegistry, startRegistry } from '../harness/registry.ts'

let engine: TestEngine
let registry: TestRegistry
let docker: Docker
let image: string

before(async () => {
  engine = await startEngine()
  registry = await startRegistry(`${engine.directory}/registry`)
  image = `${registry.host}/busybox:latest`
  await pushBusybox(registry.host)
  docker = new Docker({ socketPath: engine.socketPath })
})

after(async () => {
  await registry[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

const collect = (stream: NodeJS.ReadableStream) => {
  const found = { text: '' }
  stream.on('data', (chunk: Buffer) => {
    found.text += chunk.toString()
  })
  return found
}

describe('dockerode', () => {
  test('pulls with progress, tags and lists', async () => {
    const stream = await docker.pull(image)
    const steps = await new Promise<{ status?: string }[]>((resolve, reject) =>
      docker.modem.followProgress(stream, (error: Error | null, output: { status?: string }[]) =>
        error ? reject(error) : resolve(output),
      ),
    )
    assert.match(steps.at(-1)?.status ?? '', /Downloaded newer image for/)
    await docker.getImage(image).tag({ repo: 'localhost/copy', tag: 'one' })
    const listed = await docker.listImages({ filters: { reference: ['localhost/copy'] } })
    assert.deepEqual(listed[0]?.RepoTags?.includes('localhost/copy:one'), true)
    await docker.getImage('localhost/copy:one').remove()
    await assert.rejects(docker.getImage('localhost/copy:one').inspect(), { statusCode: 404 })
  })

  test('run, with both streams apart', async () => {
    const out = new PassThrough()
    const err = new PassThrough()
    const [stdout, stderr] = [collect(out), collect(err)]
    const [result, container] = (await docker.run(image, ['sh', '-c', 'echo o; echo e >&2; exit 7'], [out, err], {
      Tty: false,
    })) as [{ StatusCode: number }, Docker.Container]
    assert.equal(result.StatusCode, 7)
    await eventually('the streams are through', 5000, () => stdout.text === 'o\n' && stderr.text === 'e\n')
    await container.remove()
  })

  test('attach with input, exec with input, logs that follow, stats, top, wait and events', async () => {
    const events = await docker.getEvents({ filters: { type: ['container'] } })
    let told = ''
    events.on('data', (chunk: Buffer) => {
      told += chunk.toString()
    })
    const container = await docker.createContainer({
      Image: image,
      Cmd: ['sh', '-c', 'read line; echo "got $line"; sleep 1000'],
      OpenStdin: true,
      StdinOnce: true,
      name: 'rode',
      HostConfig: { Memory: 64 << 20, PortBindings: { '80/tcp': [{ HostPort: '0' }] } },
      ExposedPorts: { '80/tcp': {} },
    })
    const attached = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true })
    const output = new PassThrough()
    const seen = collect(output)
    container.modem.demuxStream(attached, output, output)
    await container.start()
    attached.write('words\n')
    await eventually('the answer is there', 5000, () => seen.text === 'got words\n')

    const followed = new PassThrough()
    const lines = collect(followed)
    container.modem.demuxStream(await container.logs({ follow: true, stdout: true, stderr: true }), followed, followed)
    await eventually('the log is followed', 5000, () => lines.text === 'got words\n')

    const exec = await container.exec({ Cmd: ['cat'], AttachStdin: true, AttachStdout: true, AttachStderr: true })
    const stream = await exec.start({ hijack: true, stdin: true })
    const echoed = new PassThrough()
    const echo = collect(echoed)
    container.modem.demuxStream(stream, echoed, echoed)
    const ended = new Promise((resolve) => stream.once('end', resolve))
    stream.write('once more')
    stream.end()
    await ended
    assert.equal(echo.text, 'once more')
    assert.equal((await exec.inspect()).ExitCode, 0)

    const details = await container.inspect()
    assert.equal(details.State.Running, true)
    assert.ok(Number(details.NetworkSettings.Ports['80/tcp']?.[0]?.HostPort) > 0)
    const stats = await container.stats({ stream: false })
    assert.equal(stats.memory_stats.limit, 64 << 20)
    assert.ok((await container.top()).Processes.length >= 1)
    const waiting = container.wait() as Promise<{ StatusCode: number }>
    await container.kill({ signal: 'SIGKILL' })
    assert.equal((await waiting).StatusCode, 137)
    await container.remove({ v: true })
    await eventually('destroy is told', 5000, () => told.includes('"destroy"'))
    ;(events as unknown as { destroy(): void }).destroy()
    await assert.rejects(container.inspect(), { statusCode: 404 })
  })
})

describe('dockerode: files, volumes and mounts', () => {
  const sh = async (script: string, HostConfig: object) => {
    const out = new PassThrough()
    const seen = collect(out)
    const [{ StatusCode }, container] = (await docker.run(image, ['sh', '-c', script], out, { HostConfig })) as [
      { StatusCode: number },
      Docker.Container,
    ]
    await eventually('the output is through', 5000, () => out.readableEnded || seen.text !== '')
    await container.remove({ v: true })
    return { code: StatusCode, text: seen.text.replaceAll('\r', '') }
  }

  test('an archive is put into a container and got out again, whether it runs or not', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'rode-'))
    await writeFile(join(directory, 'file'), 'content')
    await must(['tar', '-C', directory, '-cf', join(directory, 'in.tar'), 'file'])
    const container = await docker.createContainer({ Image: image, Cmd: ['cat', '/tmp/file'] })
    await container.putArchive(join(directory, 'in.tar'), { path: '/tmp' })
    const stat = (await container.infoArchive({ path: '/tmp/file' })) as { headers?: Record<string, string> }
    assert.ok(stat !== undefined)
    await container.start()
    assert.equal(((await container.wait()) as { StatusCode: number }).StatusCode, 0)
    const got = createWriteStream(join(directory, 'out.tar'))
    await pipeline(await container.getArchive({ path: '/tmp/file' }), got)
    assert.equal(await must(['tar', '-xOf', join(directory, 'out.tar'), 'file']), 'content')
    const changes = (await container.changes()) as { Path: string; Kind: number }[]
    assert.ok(changes.some(({ Path, Kind }) => Path === '/tmp/file' && Kind === 1))
    await pipeline(await container.export(), createWriteStream(join(directory, 'whole.tar')))
    assert.match(await must(['tar', '-tf', join(directory, 'whole.tar')]), /^tmp\/file$/m)
    await container.remove()
    await rm(directory, { recursive: true })
  })

  test('volumes are made, listed, used, refused while in use, pruned and removed', async () => {
    const made = await docker.createVolume({ Name: 'rode-data', Labels: { of: 'rode' } })
    assert.deepEqual((await made.inspect()).Labels, { of: 'rode' })
    const listed = await docker.listVolumes({ filters: { label: ['of=rode'] } })
    assert.deepEqual(
      listed.Volumes.map(({ Name }) => Name),
      ['rode-data'],
    )
    assert.equal((await sh('echo kept >/data/file', { Binds: ['rode-data:/data'] })).code, 0)
    const Mounts = [
      { Type: 'volume', Source: 'rode-data', Target: '/data', ReadOnly: true },
      { Type: 'tmpfs', Target: '/memory', TmpfsOptions: { SizeBytes: 65536 } },
      { Type: 'image', Source: image, Target: '/image' },
    ]
    const seen = await sh('cat /data/file; stat -f -c %T /memory; ls /image/bin/busybox', { Mounts })
    assert.deepEqual(seen, { code: 0, text: 'kept\ntmpfs\n/image/bin/busybox\n' })
    const user = await docker.createContainer({ Image: image, HostConfig: { Binds: ['rode-data:/data'] } })
    await assert.rejects(docker.getVolume('rode-data').remove(), { statusCode: 409 })
    await user.remove()
    const anonymous = await docker.createVolume({})
    assert.deepEqual((await docker.pruneVolumes()).VolumesDeleted, [anonymous.name])
    await docker.getVolume('rode-data').remove()
    await assert.rejects(docker.getVolume('rode-data').inspect(), { statusCode: 404 })
    assert.ok((await docker.listNetworks()).some(({ Name }) => Name === 'bridge'))
  })
})

describe('testcontainers', () => {
  let library: { GenericContainer: typeof GenericContainer; Wait: typeof Wait }

  before(async () => {
    // Read when the library is loaded. Its sweeper is an image that can't be had here: see the last test.
    process.env['DOCKER_HOST'] = engine.host
    process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true'
    process.env['TESTCONTAINERS_HOST_OVERRIDE'] = '127.0.0.1'
    library = await import('testcontainers')
  })

  const SERVER = 'echo hello > /var/www/index.html; httpd -p 8080 -h /var/www; echo "ready to serve"; exec sleep 1000'

  test('a server with an exposed port, waited for by its log and asked over HTTP', async () => {
    const started = await new library.GenericContainer(image)
      .withCommand(['sh', '-c', SERVER])
      .withExposedPorts(8080)
      .withEnvironment({ A: 'b' })
      .withLabels({ mine: 'yes' })
      .withWaitStrategy(library.Wait.forLogMessage('ready to serve'))
      .withStartupTimeout(20_000)
      .start()
    try {
      const url = `http://${started.getHost()}:${started.getMappedPort(8080)}/index.html`
      assert.equal(await (await fetch(url)).text(), 'hello\n')
      const { exitCode, output } = await started.exec(['sh', '-c', 'echo $A'])
      assert.deepEqual([exitCode, output.trim()], [0, 'b'])
      const followed = await started.logs()
      const log = collect(followed)
      await eventually('the log is there', 5000, () => log.text.includes('ready to serve'))
      followed.destroy()
      await started.restart({ timeout: 0 })
      assert.ok(started.getMappedPort(8080) > 0)
    } finally {
      await started.stop({ timeout: 0 })
    }
    assert.deepEqual(await docker.listContainers({ all: true }), [])
  })

  test('waits by HTTP, by listening ports and by commands', async () => {
    for (const strategy of [
      library.Wait.forHttp('/index.html', 8080),
      library.Wait.forListeningPorts(),
      library.Wait.forSuccessfulCommand('test -f /var/www/index.html'),
    ]) {
      const started = await new library.GenericContainer(image)
        .withCommand(['sh', '-c', SERVER])
        .withExposedPorts(8080)
        .withWaitStrategy(strategy)
        .withStartupTimeout(20_000)
        .start()
      await started.stop({ timeout: 0 })
    }
  })

  test('a Debian server, configured by a copied file, waited for by its log and port, asked from outside and inside', async () => {
    const redis = `${registry.host}/redis`
    await pushImage(registry.host, 'redis:latest', {
      layers: [{ tar: await debianWithRedis(), compression: 'gzip' }],
      config: {
        Cmd: ['redis-server', '/etc/redis/given.conf'],
        ExposedPorts: { '6379/tcp': {} },
        Volumes: { '/data': {} },
      },
    })
    const started = await new library.GenericContainer(redis)
      .withExposedPorts(6379)
      .withCopyContentToContainer([
        { content: 'bind 0.0.0.0\nrequirepass secret\ndir /data\n', target: '/etc/redis/given.conf', mode: 0o644 },
      ])
      .withTmpFs({ '/scratch': 'size=1m' })
      .withBindMounts([{ source: engine.directory, target: '/host', mode: 'ro' }])
      .withWaitStrategy(
        library.Wait.forAll([
          library.Wait.forLogMessage('Ready to accept connections'),
          library.Wait.forListeningPorts(),
          library.Wait.forSuccessfulCommand('redis-cli -a secret ping'),
        ]),
      )
      .withStartupTimeout(60_000)
      .start()
    try {
      const answer = await talk(started.getHost(), started.getMappedPort(6379), 'AUTH secret\r\nSET a b\r\nGET a\r\n')
      assert.equal(answer, '+OK\r\n+OK\r\n$1\r\nb\r\n')
      const inside = await started.exec(['redis-cli', '-a', 'secret', '--no-auth-warning', 'GET', 'a'])
      assert.deepEqual([inside.exitCode, inside.output.trim()], [0, 'b'])
      await started.exec(['redis-cli', '-a', 'secret', 'SAVE'])
      const saved = await started.copyArchiveFromContainer('/data/dump.rdb')
      let bytes = 0
      for await (const chunk of saved as AsyncIterable<Buffer>) bytes += chunk.length
      assert.ok(bytes > 512, 'a header and a file')
      assert.equal((await started.exec(['sh', '-c', 'touch /host/x'])).exitCode, 1)
    } finally {
      await started.stop({ timeout: 2000, removeVolumes: true })
    }
    assert.deepEqual((await docker.listVolumes()).Volumes, [])
  })

  /** What comes back for `text` until as many lines have come. */
  async function talk(host: string, port: number, text: string): Promise<string> {
    const socket = connect(port, host)
    let seen = ''
    socket.on('data', (chunk: Buffer) => {
      seen += chunk.toString()
    })
    socket.write(text)
    await eventually('the server answers', 30_000, () => seen.split('\r\n').length > 4)
    socket.destroy()
    return seen
  }

  test('a container that does not get ready is an error, and nothing is left', async () => {
    const never = new library.GenericContainer(image)
      .withCommand(['sh', '-c', 'echo nothing; exit 1'])
      .withWaitStrategy(library.Wait.forLogMessage('ready'))
      .withStartupTimeout(3000)
    await assert.rejects(never.start())
    assert.deepEqual(await docker.listContainers({ all: true }), [])
  })
})
