// berth-containerd as a daemon: what its config.toml asks for is there, by programs that know only the original.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openNativeKernel } from '../../src/linux/native-kernel.ts'
import { eventually, must, run } from '../harness/command.ts'
import { type ConfiguredContainerd, freePort, startConfigured } from '../harness/configured-containerd.ts'
import { makeBusyboxTree } from '../harness/images.ts'
import { BIN } from '../harness/root.ts'
import { skipWithout } from '../harness/runtime.ts'

const skip = skipWithout('ctr', 'containerd', 'curl')
const directory = mkdtempSync(join(tmpdir(), 'containerd-daemon-'))
const rootfs = join(directory, 'rootfs')
const cgroup = `/containerd-daemon-${process.pid}`
let ours: ConfiguredContainerd
let theirs: ConfiguredContainerd
const ports = { ours: 0, theirs: 0 }

const runTask = async (daemon: ConfiguredContainerd) => {
  // Two daemons' tasks of one name would otherwise share a group.
  const group = `${cgroup}-${basename(daemon.directory)}`
  const { code, stderr } = await daemon.ctr(
    ...['run', '-d', '--cgroup', group, '--rootfs', rootfs, 'counted', '/bin/sleep', '1000'],
  )
  assert.equal(code, 0, `${stderr}\n${daemon.log().slice(-2000)}`)
}
const endTask = (daemon: ConfiguredContainerd) =>
  run(['sh', '-c', 'ctr -a "$0" t rm -f counted; ctr -a "$0" c rm counted', daemon.address])
const metricsOf = (port: number) => must(['curl', '-sf', `http://127.0.0.1:${port}/v1/metrics`])

before(async () => {
  if (skip !== false) return
  await makeBusyboxTree(rootfs)
  ports.ours = await freePort()
  const extra = join(directory, 'conf.d')
  mkdirSync(extra)
  writeFileSync(join(extra, 'a.toml'), `version = 3\noom_score = 321\n[metrics]\naddress = "127.0.0.1:${ports.ours}"\n`)
  ours = await startConfigured({
    directory: join(directory, 'ours'),
    config: `imports = ["../conf.d/*.toml"]
temp = "${directory}/temp"
disabled_plugins = ["io.containerd.grpc.v1.images", "io.containerd.grpc.v1.cri"]
no_such_key = 1
[cgroup]
path = "${cgroup}"
[debug]
address = "${directory}/ours/d.sock"
level = "debug"
[metrics]
grpc_histogram = true`,
    grpc: 'gid = 7',
  })
  ports.theirs = await freePort()
  theirs = await startConfigured({
    directory: join(directory, 'theirs'),
    config: `disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[metrics]\naddress = "127.0.0.1:${ports.theirs}"\ngrpc_histogram = true`,
    program: 'containerd',
  })
  await Promise.all([ours, theirs].map(runTask))
})

after(async () => {
  if (skip === false)
    for (const daemon of [ours, theirs]) {
      await endTask(daemon)
      await daemon.stop()
    }
  await run(['sh', '-c', `find /sys/fs/cgroup -depth -type d -name '${cgroup.slice(1)}*' -exec rmdir '{}' ';'`])
  await run(['sh', '-c', `grep -o " ${directory}[^ ]*" /proc/self/mounts | sort -r | xargs -r umount -l`])
  rmSync(directory, { recursive: true, force: true })
})

describe('as its config says', { skip }, () => {
  test('sockets are of their owner and of nobody else', () => {
    for (const name of ['c.sock', 'c.sock.ttrpc']) {
      const { mode, gid } = statSync(join(ours.directory, name))
      assert.deepEqual([name, (mode & 0o777).toString(8), gid], [name, '660', 7])
    }
    const debug = statSync(join(ours.directory, 'd.sock'))
    assert.deepEqual([(debug.mode & 0o777).toString(8), debug.uid, debug.gid], ['600', 0, 0])
  })

  test('its own process has the score, the group and the directory for what is temporary', () => {
    const process = `/proc/${ours.pid()}`
    assert.equal(readFileSync(`${process}/oom_score_adj`, 'utf8').trim(), '321')
    assert.match(readFileSync(`${process}/cgroup`, 'utf8'), new RegExp(`:${cgroup}$`, 'm'))
    assert.ok(existsSync(join(directory, 'temp')))
  })

  test('a disabled service is unknown, and its plugin is not there', async () => {
    const { code, stderr } = await ours.ctr('images', 'ls')
    assert.equal(code, 1)
    assert.match(stderr, /unknown service containerd.services.images.v1.Images/)
    const plugins = (await ours.ctr('plugins', 'ls')).stdout
    assert.match(plugins, /io.containerd.grpc.v1 +tasks/)
    assert.doesNotMatch(plugins, /images/)
  })

  test('an unknown key is told of, with its place', () => {
    assert.match(
      ours.log(),
      /level=warning msg="Ignoring unknown key in TOML" row=7 column=1 file=\S+ key=no_such_key$/m,
    )
  })
})

describe('metrics', { skip }, () => {
  test('a task has every family that the original gives it, with the same labels', async () => {
    const [mine = '', original = ''] = await Promise.all([metricsOf(ports.ours), metricsOf(ports.theirs)])
    const series = (text: string) =>
      new Set(text.split('\n').flatMap((line) => /^(container_\w+\{[^}]*\}) /.exec(line)?.[1] ?? []))
    const left = [...series(original)].filter((name) => !series(mine).has(name))
    assert.ok(series(original).size > 40)
    assert.deepEqual(left, [])
    // The kernel takes its time to forget the processes that made the container.
    await eventually('one process is left', 10_000, async () =>
      /^container_pids_current\{container_id="counted",namespace="default",runtime="io.containerd.runc.v2"\} 1$/m.test(
        await metricsOf(ports.ours),
      ),
    )
    assert.match(mine, /^container_memory_usage_usage_bytes\{[^}]*\} [1-9]\d*$/m)
  })

  test('calls are counted by method and outcome', async () => {
    await ours.ctr('tasks', 'kill', 'no-such-task')
    const text = await metricsOf(ports.ours)
    const labels = 'grpc_method="Get",grpc_service="containerd.services.tasks.v1.Tasks",grpc_type="unary"'
    const other = 'grpc_method="Get",grpc_service="containerd.services.containers.v1.Containers",grpc_type="unary"'
    assert.match(
      text,
      new RegExp(`^grpc_server_handled_total\\{grpc_code="NotFound",(?:${labels}|${other})\\} [1-9]`, 'm'),
    )
    assert.match(text, /^grpc_server_started_total\{grpc_method="Version",[^}]*\} [1-9]/m)
    assert.match(text, /^grpc_server_handling_seconds_bucket\{grpc_method="Version",[^}]*,le="\+Inf"\} [1-9]/m)
    assert.match(text, /^grpc_server_msg_received_total\{grpc_method="Version",[^}]*\} [1-9]/m)
  })

  test('the daemon itself, its collections, and nothing but this path', async () => {
    const text = await eventually('it has collected', 10_000, async () => {
      const found = await metricsOf(ports.ours)
      return /^containerd_gc_collections_total\{status="success"\} [1-9]/m.test(found) && found
    })
    for (const family of [
      'containerd_build_info_total',
      'process_resident_memory_bytes',
      'process_open_fds',
      'process_start_time_seconds',
    ])
      assert.match(text, new RegExp(`^${family}(\\{.*\\})? [1-9]`, 'm'))
    const started = Number(/^process_start_time_seconds (\S+)$/m.exec(text)?.[1])
    assert.ok(Math.abs(started - Date.now() / 1000) < 600, String(started))
    assert.notEqual((await run(['curl', '-sf', `http://127.0.0.1:${ports.ours}/metrics`])).code, 0)
  })
})

describe('the debug socket', { skip }, () => {
  const pprof = (...args: string[]) => run(['ctr', 'pprof', '-d', join(ours.directory, 'd.sock'), ...args])

  test('ctr pprof goroutines tells what runs', async () => {
    const { code, stdout } = await pprof('goroutines')
    assert.equal(code, 0)
    assert.match(stdout, /^goroutine 1 \[running\]: pid \d+, node v/)
    assert.match(stdout, new RegExp(`pipe .*localEndpoint=${ours.address}`))
  })

  test('ctr pprof heap and profile give what V8 has', async () => {
    const heap = await pprof('heap')
    assert.ok(JSON.parse(heap.stdout).snapshot.node_count > 1000)
    const profile = await pprof('profile', '-s', '100ms')
    assert.ok(JSON.parse(profile.stdout).nodes.length > 1)
  })

  test('what there can be none of is a clear error', async () => {
    assert.equal((await pprof('threadcreate')).code, 0)
    for (const name of ['block', 'trace']) {
      const { code, stderr, stdout } = await pprof(name)
      assert.notEqual(code, 0, stdout)
      assert.match(stderr, /501 Not Implemented/)
    }
    const answer = await run([
      'curl',
      '-s',
      '--unix-socket',
      join(ours.directory, 'd.sock'),
      'http://x/debug/pprof/block',
    ])
    assert.match(answer.stdout, /^Could not enable block: there are no goroutines that block/)
  })

  test('/debug/vars is an object of numbers', async () => {
    const text = await must(['curl', '-sf', '--unix-socket', join(ours.directory, 'd.sock'), 'http://x/debug/vars'])
    const { cmdline, memstats } = JSON.parse(text)
    assert.ok(cmdline.some((word: string) => word.endsWith('config.toml')))
    assert.ok(memstats.heapUsed > 0)
  })

  test('SIGUSR1 writes the same into the log, and opens no debugger', async () => {
    const file = join(directory, 'temp', `containerd.${ours.pid()}.stacks.log`)
    process.kill(ours.pid(), 'SIGUSR1')
    await eventually('the dump is written', 10_000, async () =>
      ours.log().includes(`goroutine stack dump written to ${file}`),
    )
    assert.match(ours.log(), /level=info msg="=== BEGIN goroutine stack dump ===\\ngoroutine 1/)
    assert.match(readFileSync(file, 'utf8'), /^goroutine 1/)
    assert.doesNotMatch(ours.log(), /Debugger listening/)
  })
})

describe('its life', { skip }, () => {
  test('a second one on the same directories is refused in clear words, and the first one serves on', async () => {
    const second = await run([join(BIN, 'berth-containerd'), '--config', join(ours.directory, 'config.toml')])
    assert.equal(second.code, 1)
    assert.match(second.stderr, /level=error msg="containerd failed" error="\S+\/root is in use by another process"/)
    assert.equal((await ours.ctr('version')).code, 0)
  })

  test('it tells systemd when it is ready, that it lives, and that it stops; its children can’t', async () => {
    const kernel = openNativeKernel()
    const path = join(directory, 'notify.sock')
    const socket = kernel.socket(1, 2, 0) // AF_UNIX, SOCK_DGRAM
    kernel.bind(socket, Buffer.concat([Buffer.from([1, 0]), Buffer.from(`${path}\0`)]))
    const said: string[] = []
    const hears = (word: string) =>
      eventually(`it says ${word}`, 10_000, async () => {
        said.push(Buffer.from(kernel.receive(socket, 4096, 20)).toString())
        return said.includes(word)
      })
    const watched = await startConfigured({
      directory: join(directory, 'watched'),
      env: { ...process.env, NOTIFY_SOCKET: path, WATCHDOG_USEC: '100000' },
    })
    try {
      await hears('READY=1')
      await hears('WATCHDOG=1')
      assert.equal(said[0], 'READY=1')
      await runTask(watched)
      const pid = /\d+/.exec((await watched.ctr('t', 'ls')).stdout.split('\n')[1] ?? '')?.[0]
      assert.doesNotMatch(readFileSync(`/proc/${pid}/environ`, 'utf8'), /NOTIFY_SOCKET/)
      assert.equal(await watched.stop(), 0)
      await hears('STOPPING=1')
      // The task has not noticed, and is found again.
      await watched.start()
      assert.match((await watched.ctr('t', 'ls')).stdout, new RegExp(`counted +${pid} +RUNNING`))
    } finally {
      await endTask(watched)
      await watched.stop()
      kernel.close(socket)
    }
  })

  test('the log is JSON where that is asked for', async () => {
    const daemon = await startConfigured({ directory: join(directory, 'json'), config: '[debug]\nformat = "json"' })
    assert.equal(await daemon.stop(), 0)
    const lines = daemon
      .log()
      .trim()
      .split('\n')
      .filter((line) => line.startsWith('{'))
    assert.ok(lines.length >= 3)
    for (const line of lines) {
      const { level, msg, time } = JSON.parse(line)
      assert.ok(level === 'info' && typeof msg === 'string' && !Number.isNaN(Date.parse(time)), line)
    }
  })
})

describe('its commands', { skip }, () => {
  const containerd = join(directory, 'containerd')
  before(() => must(['ln', '-s', join(BIN, 'berth-containerd'), containerd]))

  test('by the name of containerd it lives where that lives, and says what scripts look for', async () => {
    assert.match(await must([containerd, '--version']), /^containerd github.com\/containerd\/containerd v\d+\.\d+\.\d+/)
    const text = await must([containerd, 'config', 'default'])
    assert.match(text, /^root = "\/var\/lib\/containerd"\nstate = "\/run\/containerd"$/m)
    assert.match(text, /^address = "\/run\/containerd\/containerd.sock"$/m)
  })

  test('the original reads what we print, and we read what it prints', async () => {
    const mine = join(directory, 'mine.toml')
    writeFileSync(mine, (await must([containerd, 'config', 'default'])).replace('version = 3', 'version = 2'))
    assert.match(
      await must(['containerd', '-c', mine, 'config', 'dump']),
      /address = "\/run\/containerd\/containerd.sock"/,
    )
    const original = join(directory, 'original.toml')
    writeFileSync(original, await must(['containerd', 'config', 'default']))
    const migrated = await must([containerd, '-c', original, 'config', 'migrate'])
    assert.match(migrated, /^version = 3$/m)
    assert.match(migrated, /^\[plugins\."io\.containerd\.grpc\.v1\.cri"/m)
    assert.match(
      await must([containerd, '--config', original, '--address', '/x', 'config', 'dump']),
      /^address = "\/x"$/m,
    )
  })

  test('publish brings an event to who listens', async () => {
    const topic = '/test/published'
    const listening = run(['timeout', '20', 'sh', '-c', `ctr -a ${ours.address} -n other events | grep -m1 ${topic}`])
    // google.protobuf.Any of a google.protobuf.Empty.
    const event = join(directory, 'event')
    writeFileSync(event, Buffer.concat([Buffer.from([0x0a, 21]), Buffer.from('google.protobuf.Empty')]))
    let heard = ''
    void listening.then(({ stdout }) => {
      heard = stdout
    })
    await eventually('the event has come', 15_000, async () => {
      const publish = `'${containerd}' --address '${ours.address}' publish --topic ${topic} --namespace other <'${event}'`
      await must(['sh', '-c', publish])
      return heard.includes(topic)
    })
    const { code, stderr } = await run(['sh', '-c', `'${containerd}' --address '${ours.address}' publish <'${event}'`])
    assert.equal(code, 1)
    assert.match(stderr, /^containerd: topic required to publish event/)
  })

  test('oci-hook runs a program with the container’s particulars', async () => {
    const bundle = join(directory, 'bundle')
    mkdirSync(bundle)
    writeFileSync(join(bundle, 'config.json'), '{"root":{"path":"tree"}}')
    const state = {
      ociVersion: '1.0.2',
      id: 'the-id',
      pid: 42,
      status: 'created',
      bundle,
      annotations: { 'a.b': 'c d' },
    }
    writeFileSync(join(directory, 'state.json'), JSON.stringify(state))
    const hook = `'${containerd}' oci-hook -- echo '{{id}}' '{{ pid }}' '{{rootfs}}' '{{annotation "a.b"}}' -x <'${directory}/state.json'`
    assert.equal((await must(['sh', '-c', hook])).trim(), `the-id 42 ${bundle}/tree c d -x`)
    const wrong = await run(['sh', '-c', hook.replace('{{id}}', '{{nothing}}')])
    assert.match(wrong.stderr, /function "nothing" not defined/)
  })

  test('a wrong file or flag is told of on one line, and nothing is made', async () => {
    const wrong = join(directory, 'wrong.toml')
    writeFileSync(wrong, `version = 3\nroot = "${directory}/never"\nstate = 5\n`)
    const { code, stderr } = await run([containerd, '-c', wrong])
    assert.equal(code, 1)
    assert.match(stderr, /^containerd: failed to load TOML: \S+: failed to unmarshal TOML at row 3 column 1: [^\n]*\n$/)
    assert.equal(existsSync(join(directory, 'never')), false)
    assert.match((await run([containerd, '--no-such-flag'])).stderr, /^containerd: Unknown option '--no-such-flag'/)
    assert.match(
      (await run([containerd, 'no-such-command'])).stderr,
      /^containerd: unknown command: no-such-command\n$/,
    )
  })
})
