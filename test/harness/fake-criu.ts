// A program in criu's place: it speaks `criu swrk`, notes what it is asked, and goes through the stages that criu goes through, without ever
// touching a process's memory. What it restores is a `sleep`. Its settings are in the environment, see fakeCriu.
import { spawn } from 'node:child_process'
import { appendFileSync, readlinkSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { openNativeKernel } from '../../src/linux/native-kernel.ts'
import { sendDescriptor } from '../../src/linux/pass-descriptor.ts'
import { readProcessStat } from '../../src/linux/proc/process-stat.ts'
import { sleepSync } from '../../src/runc/sleep-sync.ts'
import { criuRequest, REQUEST } from '../../src/runc/criu/messages.ts'
import { bool, int32, message, nested, optional, text } from '../../src/wire/protobuf/message.ts'

/** runc asks for the version over another than for the rest. */
const SOCKET = Number(process.argv[3])
const REQUEST_SIZE_MAX = 64 << 10
const SIGKILL = 9
const ENOENT = 2

const version = message({ major: optional(int32(1)), minor: optional(int32(2)), sublevel: optional(int32(4)) })
const response = message({
  type: optional(int32(1)),
  success: optional(bool(2)),
  restore: nested(4, message({ pid: optional(int32(1)) })),
  notification: nested(5, message({ script: optional(text(1)), pid: optional(int32(2)) })),
  errno: optional(int32(7)),
  features: nested(8, message({ memoryTracking: optional(bool(1)), lazyPages: optional(bool(2)) })),
  version: nested(10, version),
})

const directory = process.env['FAKE_CRIU_DIRECTORY'] ?? ''
const lacks = (process.env['FAKE_CRIU_LACKS'] ?? '').split(' ')
const failsAt = process.env['FAKE_CRIU_FAILS_AT']
const hangsAt = process.env['FAKE_CRIU_HANGS_AT']
const isReal = process.argv[2] === 'swrk' && Number.isInteger(SOCKET)
if (!isReal) throw new Error(`the fake criu knows no ${process.argv.slice(2).join(' ')}`)
await serve()

async function serve(): Promise<void> {
  const { type = 0, options, features } = receive()
  if (options !== undefined && type !== REQUEST.featureCheck) note({ type, ...withPlaces(options) })
  switch (type) {
    case REQUEST.version:
      return send({ type, success: true, version: { major: 3, minor: 17, sublevel: 1 } })
    case REQUEST.featureCheck:
      note({ type, features })
      return send({
        type,
        success: true,
        features: { memoryTracking: !lacks.includes('mem-track'), lazyPages: !lacks.includes('lazy-pages') },
      })
    case REQUEST.dump:
    case REQUEST.preDump:
      return dump(type, options)
    case REQUEST.restore:
      return restore(type, options)
    default:
      return send({ type, success: false, errno: ENOENT })
  }
}

type Options = NonNullable<ReturnType<typeof receive>['options']>

function dump(type: number, options: Options | undefined): void {
  const stages = ['pre-dump', 'network-lock', ...(options?.lazyPages === true ? ['status-ready'] : [])]
  for (const script of [...stages, 'network-unlock', 'post-dump'])
    if (!notify(script, 0)) return fail(type, 'dump.log', options)
  if (type === REQUEST.dump && options?.leaveRunning !== true && options?.pid !== undefined) end(options.pid)
  send({ type, success: true })
}

/** The runtime takes our word for it that it has ended. */
function end(pid: number): void {
  openNativeKernel().kill(pid, SIGKILL)
  for (
    let state = readProcessStat(pid)?.state;
    state !== undefined && state !== 'Z';
    state = readProcessStat(pid)?.state
  )
    sleepSync(1)
}

function restore(type: number, options: Options | undefined): void {
  const child = spawn('sleep', ['1000'], { stdio: 'inherit', detached: true })
  const pid = child.pid ?? 0
  child.unref()
  for (const script of ['pre-restore', 'setup-namespaces', 'post-setup-namespaces']) {
    if (notify(script, pid)) continue
    openNativeKernel().kill(pid, SIGKILL)
    return fail(type, 'restore.log', options)
  }
  if (process.env['FAKE_CRIU_TERMINAL'] === '1') notifyOfTerminal()
  for (const script of ['post-restore', 'network-unlock', 'pre-resume', 'post-resume']) notify(script, pid)
  send({ type, success: true, restore: { pid } })
}

/** As criu leaves it behind: the log says why. */
function fail(type: number, log: string, options: Options | undefined): void {
  const place = directoryOf(options?.workDirectory ?? options?.imagesDirectory)
  writeFileSync(join(place, log), `(00.000001) fine\n(00.000002) Error (fake.c:1): it failed at ${failsAt}\n`)
  send({ type, success: false, errno: ENOENT })
  process.exit(1)
}

function notify(script: string, pid: number): boolean {
  if (script === failsAt) return false
  if (script === hangsAt) {
    note({ hangs: script })
    receive() // until the runtime is gone, which ends us
  }
  send({ type: REQUEST.notify, success: true, notification: { script, pid } })
  const { type, notifySuccess } = receive()
  note({ notified: script, answered: type === REQUEST.notify && notifySuccess === true })
  return true
}

function notifyOfTerminal(): void {
  const kernel = openNativeKernel()
  const master = kernel.openat2(-100, '/dev/ptmx', { flags: 2 })
  const bytes = response.encode({
    type: REQUEST.notify,
    success: true,
    notification: { script: 'orphan-pts-master', pid: 0 },
  })
  sendDescriptor(SOCKET, Buffer.from(bytes).toString('latin1'), master)
  receive()
  note({ notified: 'orphan-pts-master', answered: true })
}

/** Numbers of descriptors mean nothing to who reads the notes; what they lead to does. */
function withPlaces(options: Options): object {
  return {
    ...options,
    imagesDirectory: directoryOf(options.imagesDirectory),
    workDirectory: options.workDirectory === undefined ? undefined : directoryOf(options.workDirectory),
    inherited: options.inherited.map(({ key, descriptor }) => ({
      key,
      at: readlinkSync(`/proc/self/fd/${descriptor ?? 0}`),
    })),
  }
}

/** The runtime's own descriptor. */
function directoryOf(descriptor: number | undefined): string {
  return readlinkSync(`/proc/${process.ppid}/fd/${descriptor ?? ''}`)
}

function receive() {
  const bytes = Buffer.alloc(REQUEST_SIZE_MAX)
  const size = readSync(SOCKET, bytes)
  if (size === 0) process.exit(1)
  return criuRequest.decode(bytes.subarray(0, size))
}

function send(value: Parameters<typeof response.encode>[0]): void {
  writeSync(SOCKET, response.encode(value))
}

function note(value: object): void {
  appendFileSync(join(directory, 'notes'), `${JSON.stringify(value)}\n`)
}
