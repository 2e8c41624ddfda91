// berth-containerd on directories of its own, to be killed: with an image, a layer and a task that runs on whatever happens to the daemon.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { create, toBinary } from '@bufbuild/protobuf'
import { packJson, PROCESS_SPEC_TYPE, RUNTIME_SPEC_TYPE } from '../../src/containerd/client/any.ts'
import { type ContainerdClient, connectContainerd, waitForContainerd } from '../../src/containerd/client/client.ts'
import { openContentSink } from '../../src/containerd/client/content-writer.ts'
import { FAILPOINTS_VARIABLE } from '../../src/containerd/failpoints.ts'
import { check } from '../../src/containerd/fsck/check.ts'
import { FINDING_CODES } from '../../src/containerd/fsck/finding.ts'
import { OptionsSchema } from '../../src/gen/runc/options_pb.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { Descriptor } from '../../src/oci/descriptor.ts'
import { eventually, must } from './command.ts'
import { plainSpec } from './plain-spec.ts'
import { listResidue } from './residue.ts'
import { BIN } from './root.ts'

export const NAMESPACE = 'test'
export const ROOT_LABEL = { 'containerd.io/gc.root': 'test' }
const LONG = 'long'
const SIGKILL = 9
const STOP_MS = 2000

export class CrashingContainerd {
  readonly directory = mkdtempSync(join(tmpdir(), 'crashing-containerd-'))
  readonly root = join(this.directory, 'root')
  readonly state = join(this.directory, 'state')
  readonly client: ContainerdClient
  /** Of a few files, in the content store. */
  layer!: Descriptor
  #daemon: ChildProcess | undefined
  #gone: Promise<NodeJS.Signals | null> = Promise.resolve(null)
  #rest: string[] = []
  #isLate = false
  readonly #cgroups = basename(this.directory)

  constructor() {
    this.client = connectContainerd({ address: join(this.directory, 'c.sock'), namespace: NAMESPACE })
  }

  /** Resolves when it answers, or is dead already where failpoints are set. */
  async start(failpoints = ''): Promise<void> {
    const output = openSync(join(this.directory, 'log'), 'a')
    const args = ['--address', join(this.directory, 'c.sock'), '--root', this.root, '--state', this.state]
    const env = { ...process.env, [FAILPOINTS_VARIABLE]: failpoints }
    const daemon = spawn(join(BIN, 'berth-containerd'), args, { stdio: ['ignore', output, output], env })
    closeSync(output)
    this.#daemon = daemon
    this.#isLate = false
    this.#gone = once(daemon, 'exit').then(([, signal]) => signal as NodeJS.Signals | null)
    const died = this.#gone.then(() => {
      if (failpoints === '') throw new Error(`berth-containerd ended\n${this.log()}`)
    })
    await Promise.race([waitForContainerd(this.client, 20_000), died])
    died.catch(() => {}) // later it may end as it likes
  }

  log(): string {
    return readFileSync(join(this.directory, 'log'), 'utf8').slice(-4000)
  }

  /** How it ended. @param limitMs then it is killed, and that is an error. */
  async ended(limitMs = 10_000): Promise<NodeJS.Signals | null> {
    const timer = setTimeout(() => {
      this.#isLate = true
      this.#daemon?.kill('SIGKILL')
    }, limitMs)
    const signal = await this.#gone
    clearTimeout(timer)
    if (this.#isLate) throw new Error(`berth-containerd does not end\n${this.log()}`)
    return signal
  }

  get isDead(): boolean {
    return this.#daemon === undefined || this.#daemon.exitCode !== null || this.#daemon.signalCode !== null
  }

  /** However it takes the signal, it is gone afterwards. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    if (!this.isDead) this.#daemon?.kill(signal)
    const timer = setTimeout(() => this.#daemon?.kill('SIGKILL'), STOP_MS)
    await this.#gone
    clearTimeout(timer)
  }

  /** Image, layer, a task that sleeps. */
  async fill(): Promise<void> {
    await this.client.namespaces.create({ namespace: { name: NAMESPACE } })
    const [mount] = (await this.client.snapshots.prepare({ key: 'base-key', labels: ROOT_LABEL })).mounts
    for (const name of ['bin', 'proc', 'sys', 'dev', 'etc']) mkdirSync(join(mount!.source, name))
    copyFileSync('/bin/busybox', join(mount!.source, 'bin/busybox'))
    await this.client.snapshots.commit({ key: 'base-key', name: 'base', labels: ROOT_LABEL })
    this.layer = await this.putLayer()
    const config = await this.put(JSON.stringify({ rootfs: { type: 'layers', diff_ids: [] } }), {
      'containerd.io/gc.ref.snapshot.overlayfs': 'base',
    })
    const manifest = JSON.stringify({ schemaVersion: 2, config, layers: [this.layer] })
    const target = await this.put(manifest)
    await this.client.images.create({ image: { name: 'image', target: { ...target, size: BigInt(target.size) } } })
    await this.client.leases.delete({ id: 'filling', sync: true })
    await this.createContainer(LONG)
    await this.runTask(LONG)
    this.#rest = await this.#listLeavings()
  }

  async putLayer(): Promise<Descriptor> {
    const tar = join(this.directory, 'layer.tar')
    await must(['tar', '-C', '/bin', '-cf', tar, 'busybox'])
    return { ...(await this.put(readFileSync(tar))), mediaType: 'application/vnd.oci.image.layer.v1.tar' }
  }

  /** Under a lease, so that nothing collects it before something refers to it. */
  async put(bytes: string | Buffer, labels: Record<string, string> = {}): Promise<Descriptor> {
    await this.client.leases.create({ id: 'filling' }).catch(() => {})
    const descriptor = {
      mediaType: 'application/octet-stream',
      digest: digestOf(bytes),
      size: Buffer.byteLength(bytes),
    }
    await this.upload(bytes, labels, 'filling')
    return descriptor
  }

  /** Twice is once. */
  async upload(bytes: string | Buffer, labels: Record<string, string> = ROOT_LABEL, lease?: string): Promise<void> {
    const client = lease === undefined ? this.client : this.client.withLease(lease)
    const descriptor = {
      mediaType: 'application/octet-stream',
      digest: digestOf(bytes),
      size: Buffer.byteLength(bytes),
    }
    async function* source() {
      yield Buffer.from(bytes)
    }
    await openContentSink(client, { labelsOf: () => labels }).write(descriptor, source(), AbortSignal.timeout(20_000))
  }

  async createContainer(id: string, options: { program?: string; args?: string[] } = {}): Promise<void> {
    const spec = plainSpec(options.args ?? ['/bin/busybox', 'sleep', '1000'])
    spec.linux = { ...spec.linux, cgroupsPath: `/${this.#cgroups}/${id}` }
    await this.client.snapshots.prepare({ key: id, parent: 'base', labels: ROOT_LABEL }).catch(ignoreExisting)
    const { program } = options
    const runtimeOptions =
      program === undefined
        ? {}
        : {
            options: {
              typeUrl: OptionsSchema.typeName,
              value: toBinary(OptionsSchema, create(OptionsSchema, { binaryName: program })),
            },
          }
    const runtime = { name: 'io.containerd.runc.v2', ...runtimeOptions }
    const container = {
      id,
      image: 'image',
      runtime,
      spec: packJson(RUNTIME_SPEC_TYPE, spec),
      snapshotter: 'overlayfs',
      snapshotKey: id,
    }
    await this.client.containers.create({ container }).catch(ignoreExisting)
  }

  async runTask(id: string): Promise<void> {
    const { mounts } = await this.client.snapshots.mounts({ key: id })
    await this.client.tasks.create({ containerId: id, rootfs: mounts })
    await this.client.tasks.start({ containerId: id })
  }

  /** Whatever of it there is. */
  async removeTask(id: string): Promise<void> {
    await this.client.tasks.kill({ containerId: id, signal: SIGKILL, all: true }).catch(() => {})
    await eventually(`task ${id} goes`, 10_000, async () => {
      const gone = await this.client.tasks
        .delete({ containerId: id })
        .then(() => true)
        .catch((error) => error.code === 'not-found')
      return gone
    })
  }

  async removeContainer(id: string): Promise<void> {
    await this.removeTask(id)
    await this.client.containers.delete({ id }).catch(ignoreMissing)
    await this.client.snapshots.remove({ key: id }).catch(ignoreMissing)
  }

  async exec(execId: string, id = LONG): Promise<number> {
    await this.client.tasks.deleteProcess({ containerId: id, execId }).catch(() => {})
    const { process } = plainSpec(['/bin/busybox', 'true'])
    await this.client.tasks.exec({ containerId: id, execId, spec: packJson(PROCESS_SPEC_TYPE, process!) })
    await this.client.tasks.start({ containerId: id, execId })
    const { exitStatus } = await this.client.tasks.wait({ containerId: id, execId })
    await this.client.tasks.deleteProcess({ containerId: id, execId })
    return exitStatus
  }

  /** The pid of the shim that keeps a task. */
  async shimOf(id: string): Promise<number> {
    const { process } = await this.client.tasks.get({ containerId: id })
    const stat = readFileSync(`/proc/${process!.pid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  }

  /** What was acknowledged is there, what ran runs, and nothing contradicts anything. */
  async assertSound(): Promise<void> {
    const { process } = await this.client.tasks.get({ containerId: LONG })
    assert.equal(process?.status, 2, 'the task runs on')
    assert.equal(await this.exec('sound'), 0)
    assert.equal((await this.client.images.get({ name: 'image' })).image?.name, 'image')
    await this.client.snapshots.stat({ key: 'base' })
    await eventually('the check is content', 5000, async () => {
      const damage = (await check(this.root, this.state)).filter(({ code }) => FINDING_CODES[code] === 'damage')
      return damage.length === 0 || Promise.reject(new Error(JSON.stringify(damage)))
    })
  }

  /** After a collection nothing is there but what `fill` has made, and not even a note is to be made. */
  async assertNothingLeft(): Promise<void> {
    await this.collect()
    await eventually('nothing is left', 5000, async () => {
      const left = (await this.#listLeavings()).filter((line) => !this.#rest.includes(line))
      const findings = await check(this.root, this.state)
      return (
        left.length + findings.length === 0 ||
        Promise.reject(new Error(`\n${left.join('\n')}\n${JSON.stringify(findings)}`))
      )
    })
  }

  async collect(): Promise<void> {
    await this.client.leases.create({ id: 'collect' }).catch(ignoreExisting)
    await this.client.leases.delete({ id: 'collect', sync: true })
  }

  async #listLeavings(): Promise<string[]> {
    const names = (word: string, path: string) => {
      try {
        return readdirSync(join(this.directory, path)).map((name) => `${word} ${name}`)
      } catch {
        return []
      }
    }
    const { containers } = await this.client.containers.list({})
    const { leases } = await this.client.leases.list({})
    return [
      ...names('blob', 'root/content/blobs/sha256'),
      ...names('ingest', 'root/content/ingest'),
      ...names('snapshot', 'root/overlayfs/snapshots'),
      ...names('bundle', `state/tasks/${NAMESPACE}`),
      ...containers.map(({ id }) => `container ${id}`),
      ...leases.map(({ id }) => `lease ${id}`),
      ...this.#listCgroups(),
      ...(await listResidue(this.directory)).filter(
        (line) => line.includes(this.directory) && !line.includes('--address'),
      ),
    ]
  }

  #listCgroups(): string[] {
    return ['', ...readdirSync('/sys/fs/cgroup')].flatMap((hierarchy) => {
      try {
        const path = join('/sys/fs/cgroup', hierarchy, this.#cgroups)
        return readdirSync(path, { withFileTypes: true }).flatMap((entry) =>
          entry.isDirectory() ? [`cgroup ${path}/${entry.name}`] : [],
        )
      } catch {
        return []
      }
    })
  }

  /** Starts the daemon again if need be, to take away what it keeps. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isDead) await this.start()
    await this.removeContainer(LONG)
    await this.stop('SIGTERM')
    this.client.close()
    for (const hierarchy of ['', ...readdirSync('/sys/fs/cgroup')])
      try {
        rmdirSync(join('/sys/fs/cgroup', hierarchy, this.#cgroups))
      } catch {
        // Not there.
      }
    rmSync(this.directory, { recursive: true, force: true })
  }
}

export function ignoreExisting(error: { code?: string }): void {
  if (error.code !== 'already-exists') throw error
}

export function ignoreMissing(error: { code?: string }): void {
  if (error.code !== 'not-found') throw error
}

/** A bundle in which nothing has been made yet. */
export function makeHalfBundle(state: string): void {
  mkdirSync(join(state, 'tasks', NAMESPACE, 'half/rootfs'), { recursive: true })
  writeFileSync(join(state, 'tasks', NAMESPACE, 'half/x'), '')
}
