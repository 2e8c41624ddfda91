// Drives tasks over containerd's own API: records, streams by FIFO, execs; each runtime gets the same calls.
import { constants, closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import type { Any } from '@bufbuild/protobuf/wkt'
import { packJson, PROCESS_SPEC_TYPE, RUNTIME_SPEC_TYPE } from '../../src/containerd/client/any.ts'
import { OptionsSchema } from '../../src/gen/runc/options_pb.ts'
import { create, toBinary } from '@bufbuild/protobuf'
import type { RuntimeSpec } from '../../src/oci/runtime-spec.ts'
import { must } from './command.ts'
import type { OurContainerd } from './our-containerd.ts'
import { plainSpec } from './plain-spec.ts'

export interface RuntimeUnderTest {
  title: string
  runtime: string
  /** Of the options: an OCI runtime's program. */
  program?: string
}

export interface DrivenTask {
  readonly id: string
  readonly pid: number
  /** What it has written; FIFOs or a terminal. */
  output(): string
  /** To its standard input. */
  type(text: string): void
  /** Our end of its standard input. */
  hangUp(): void
}

export interface TaskWish {
  script: string
  terminal?: boolean
  edit?: (spec: RuntimeSpec) => void
}

const SHELL = '/bin/sh'
let count = 0

export class TaskDriver {
  readonly #containerd: OurContainerd
  readonly #runtime: RuntimeUnderTest

  constructor(containerd: OurContainerd, runtime: RuntimeUnderTest) {
    this.#containerd = containerd
    this.#runtime = runtime
  }

  /** A created task, and whatever is left of it afterwards removed. */
  async with(wish: TaskWish, work: (task: DrivenTask) => Promise<void>): Promise<void> {
    const { client } = this.#containerd
    const id = await this.record(wish)
    const streams = await openStreams(join(this.#containerd.directory, 'fifos', id))
    try {
      const { pid } = await client.tasks.create({
        containerId: id,
        rootfs: this.rootfs(),
        ...streams.paths,
        stderr: wish.terminal === true ? '' : streams.paths.stdout,
        terminal: wish.terminal ?? false,
      })
      try {
        await work({ id, pid, output: streams.output, type: streams.type, hangUp: streams.hangUp })
      } finally {
        await this.#remove(id)
      }
    } finally {
      streams.close()
      await client.containers.delete({ id })
    }
  }

  rootfs() {
    return [{ type: 'bind', source: this.#containerd.tree, target: '', options: ['rbind', 'rw'] }]
  }

  /** A container's record. @returns its id. */
  async record({ script, terminal = false, edit = () => {} }: TaskWish): Promise<string> {
    const id = `t${++count}`
    const spec = plainSpec([SHELL, '-c', script])
    if (spec.process !== undefined) spec.process.terminal = terminal
    if (spec.linux !== undefined) spec.linux.cgroupsPath = `/${this.#containerd.namespace}/${id}`
    edit(spec)
    const options = this.#options()
    const runtime = { name: this.#runtime.runtime, ...(options === undefined ? {} : { options }) }
    await this.#containerd.client.containers.create({
      container: { id, spec: packJson(RUNTIME_SPEC_TYPE, spec), runtime },
    })
    return id
  }

  #options(): Any | undefined {
    const { program } = this.#runtime
    if (program === undefined) return undefined
    const value = toBinary(OptionsSchema, create(OptionsSchema, { binaryName: program }))
    return { $typeName: 'google.protobuf.Any', typeUrl: OptionsSchema.typeName, value }
  }

  async #remove(containerId: string): Promise<void> {
    const { tasks } = this.#containerd.client
    try {
      await tasks.kill({ containerId, signal: 9, all: true }).catch(() => {}) // it has ended
      await tasks.wait({ containerId })
      await tasks.delete({ containerId })
    } catch {
      // The test has deleted it.
    }
  }
}

export function shellProcess(script: string): Any {
  return packJson(PROCESS_SPEC_TYPE, {
    terminal: false,
    user: { uid: 0, gid: 0 },
    args: [SHELL, '-c', script],
    env: ['PATH=/bin'],
    cwd: '/',
  })
}

/** Our ends are open before the shim's: nobody waits for the other. */
async function openStreams(directory: string) {
  mkdirSync(directory, { recursive: true })
  const paths = { stdin: join(directory, 'stdin'), stdout: join(directory, 'stdout') }
  await must(['mkfifo', paths.stdin, paths.stdout])
  const input = openSync(paths.stdin, constants.O_RDWR | constants.O_NONBLOCK)
  const output = new net.Socket({
    fd: openSync(paths.stdout, constants.O_RDWR | constants.O_NONBLOCK),
    readable: true,
    writable: false,
  })
  let text = ''
  let isOpen = true
  output.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  const hangUp = (): void => {
    if (isOpen) closeSync(input)
    isOpen = false
  }
  return {
    paths,
    output: () => text,
    type: (words: string) => void writeSync(input, words),
    hangUp,
    close() {
      hangUp()
      output.destroy()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
