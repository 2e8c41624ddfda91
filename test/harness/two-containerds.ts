// Our containerd and the original beside each other, each with directories of its own, asked the same by the original ctr.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { connectContainerd, type ContainerdClient } from '../../src/containerd/client/client.ts'
import { openContentSink } from '../../src/containerd/client/content-writer.ts'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { type CommandOptions, type CommandResult, eventually, must, run } from './command.ts'
import { startRealContainerd } from './real-containerd.ts'
import { BIN } from './root.ts'

export interface ContainerdSide extends AsyncDisposable {
  name: 'berth' | 'original'
  /** Its own directory; nothing but it is in there. */
  directory: string
  /** What is made through it stays until the test's end: a lease holds it. */
  client: ContainerdClient
  ctr(args: readonly string[], options?: CommandOptions): Promise<CommandResult>
  /** `ctr`, which must exit 0; its trimmed output. */
  ok(...args: string[]): Promise<string>
}

export interface OurContainerd extends ContainerdSide {
  pid(): number
  stop(signal: NodeJS.Signals): Promise<void>
  start(): Promise<void>
}

const LEASE = 'of-the-test'

/** Both, and a directory for the test; all of it is gone when it is disposed of. */
export async function startTwoContainerds(): Promise<
  { ours: OurContainerd; original: ContainerdSide; directory: string } & AsyncDisposable
> {
  const directory = mkdtempSync(join(tmpdir(), 'two-containerds-'))
  const real = await startRealContainerd()
  const original = sideAt('original', real.address, async () => real[Symbol.asyncDispose]())
  const ours = await startOurContainerd(join(directory, 'berth'))
  await original.client.leases.create({ id: LEASE })
  return {
    ours,
    original,
    directory,
    async [Symbol.asyncDispose]() {
      await ours[Symbol.asyncDispose]()
      await original[Symbol.asyncDispose]()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

export async function startOurContainerd(directory: string): Promise<OurContainerd> {
  mkdirSync(directory, { recursive: true })
  const address = join(directory, 'c.sock')
  let daemon: ChildProcess | undefined
  const start = async () => {
    const log = openSync(join(directory, 'log'), 'a')
    const args = ['--address', address, '--root', join(directory, 'root'), '--state', join(directory, 'state')]
    daemon = spawn(join(BIN, 'berth-containerd'), args, { stdio: ['ignore', log, log] })
    await eventually('berth-containerd answers', 10_000, async () => (await side.ctr(['version'])).code === 0)
  }
  const stop = async (signal: NodeJS.Signals) => {
    if (daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return
    daemon.kill(signal)
    await once(daemon, 'exit')
  }
  const side = sideAt('berth', address, async () => {
    await stop('SIGTERM')
    rmSync(directory, { recursive: true, force: true })
  })
  await start()
  await side.client.leases.create({ id: LEASE })
  return { ...side, start, stop, pid: () => daemon?.pid ?? 0 }
}

function sideAt(name: ContainerdSide['name'], address: string, dispose: () => Promise<void>): ContainerdSide {
  const ctr = (args: readonly string[], options?: CommandOptions) => run(['ctr', '-a', address, ...args], options)
  const client = connectContainerd({ address, namespace: 'default' }).withLease(LEASE)
  return {
    name,
    directory: dirname(address),
    client,
    ctr,
    async ok(...args) {
      const { code, stdout, stderr } = await ctr(args)
      if (code !== 0) throw new Error(`${name}: ctr ${args.join(' ')}: exit ${code}\n${stdout}\n${stderr}`)
      return stdout.trim()
    },
    async [Symbol.asyncDispose]() {
      client.close()
      await dispose()
    },
  }
}

/** Puts a blob there, which the test's lease holds. */
export async function storeBlob(side: ContainerdSide, bytes: Buffer): Promise<{ digest: Digest; size: number }> {
  const blob = { mediaType: '', digest: digestOf(bytes), size: bytes.length }
  const sink = openContentSink(side.client)
  await sink.write(
    blob,
    (async function* () {
      yield bytes
    })(),
    new AbortController().signal,
  )
  return blob
}

/** What `ctr snapshots mounts` says is done, and `work` gets the directory. */
export async function withMounted<T>(
  side: ContainerdSide,
  snapshotter: string,
  key: string,
  work: (directory: string) => Promise<T>,
): Promise<T> {
  const target = mkdtempSync(join(tmpdir(), 'mounted-'))
  try {
    await must(['sh', '-ec', await side.ok('snapshots', '--snapshotter', snapshotter, 'mounts', target, key)])
    try {
      return await work(target)
    } finally {
      await must(['umount', target])
    }
  } finally {
    rmSync(target, { recursive: true })
  }
}
