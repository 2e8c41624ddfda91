// The daemons' end of a shim's control socket: requests with answers, and the states that the shim tells unasked.
import type net from 'node:net'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Failure, messageOf } from '../base/failure.ts'
import type { ProcessPlan } from '../linux/steps.ts'
import { encodeCommandPlan, encodeExecPlan, encodeRelayPlan } from './encode-plan.ts'
import * as frames from './frames.ts'
import { FRAME } from './frames.ts'
import {
  INIT_PROCESS,
  type OnSync,
  type ProcessExit,
  type ProcessName,
  type ProcessOptions,
  type ProcessSource,
  type ProcessState,
  type Shim,
  type StepFailure,
  type SyncRequest,
} from './shim.ts'

const VERSION = 1
const REQUEST_MAX = 0xffff
const GIVE_UP = frames.encodeNumbers([0xffffffff, 4])
const PROCESS_NAME = /^[A-Za-z0-9_.-]{1,128}$/ // a file's name in the bundle is made of it

type ExitListener = (state: ProcessState & { exit: ProcessExit }) => void
interface Waiter {
  resolve(payload: Buffer): void
  reject(error: Error): void
}

/** Takes over a connected socket; `ready` resolves with the shim's hello. */
export class ControlConnection implements Shim {
  shimPid = 0
  readonly processes = new Map<ProcessName, ProcessState>()
  readonly closed: Promise<void>
  /** The shim has said hello. */
  readonly ready: Promise<void>
  private readonly socket: net.Socket
  private readonly bundle: string
  private readonly decoder = new frames.FrameDecoder()
  private readonly waiters = new Map<number, Waiter>()
  private readonly exitListeners: ExitListener[] = []
  private readonly inputEndListeners: ((process: ProcessName) => void)[] = []
  /** Told so far. */
  private readonly inputEnds = new Set<ProcessName>()
  /** Of the processes that this connection has asked for. */
  private readonly onSync = new Map<ProcessName, OnSync>()
  /** Why a process was given up at a sync point. */
  private readonly refusals = new Map<ProcessName, unknown>()
  private readonly createdWaiters: { process: ProcessName; waiter: Waiter }[] = []
  private hello: Waiter | undefined
  private lastRequest = 0
  private initFailure: StepFailure | undefined

  /** @param onSync answers for the first process; without it another connection does. */
  constructor(socket: net.Socket, bundle: string, onSync?: OnSync) {
    this.socket = socket
    this.bundle = bundle
    if (onSync) this.onSync.set(INIT_PROCESS, onSync)
    this.ready = new Promise((resolve, reject) => {
      this.hello = { resolve: () => resolve(), reject }
    })
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.failAll(new Failure('unavailable', `shim of ${bundle} is gone`))
        resolve()
      })
    })
    socket.on('error', () => socket.destroy()) // `close` follows
    socket.on('end', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => this.receive(chunk))
  }

  /** Resolves once the first process is created; throws StepFailure where it could not be made, or what its `onSync` threw. */
  async created(process: ProcessName): Promise<void> {
    if (this.initFailure) throw this.reasonOf(process, this.initFailure)
    if (this.processes.has(process)) return
    const made = new Promise<Buffer>((resolve, reject) => {
      this.createdWaiters.push({ process, waiter: { resolve, reject } })
      if (this.socket.destroyed) reject(new Failure('unavailable', `shim of ${this.bundle} is gone`))
    })
    await made.catch((error: unknown) => {
      throw this.reasonOf(process, error)
    })
  }

  /** Resolves once everything that the shim had to tell upon connecting has arrived: it answers in order. */
  async settle(): Promise<void> {
    const text = frames.encodeText(INIT_PROCESS)
    await this.request(FRAME.state, text).catch(() => undefined) // no first process: nothing more to tell
  }

  async start(process: ProcessName, state?: string): Promise<void> {
    const word = state === undefined ? [] : [frames.encodeState(state)]
    await this.request(FRAME.start, frames.encodeText(process), ...word).catch((error: unknown) => {
      throw this.reasonOf(process, error)
    })
  }

  async started(process: ProcessName): Promise<void> {
    await this.request(FRAME.started, frames.encodeText(process))
  }

  async add(
    process: ProcessName,
    source: ProcessPlan | ProcessSource,
    options: ProcessOptions = {},
  ): Promise<{ pid: number }> {
    if (!PROCESS_NAME.test(process)) throw new Failure('invalid-argument', `invalid process name: ${process}`)
    const name = `plan-${process}`
    const path = join(this.bundle, name)
    writeFileSync(path, encodeSource(source, options), { mode: 0o600 })
    this.onSync.set(process, options.onSync ?? refuseSync)
    try {
      const answer = await this.request(FRAME.add, frames.encodeText(process), frames.encodeText(name))
      return { pid: answer.readUInt32LE(0) }
    } catch (error) {
      rmSync(path, { force: true }) // the shim removes only what it has mapped
      throw this.reasonOf(process, error)
    } finally {
      this.refusals.delete(process)
    }
  }

  async kill(process: ProcessName, signal: number): Promise<void> {
    await this.request(FRAME.kill, frames.encodeText(process), frames.encodeNumbers([signal, 4]))
  }

  async resize(process: ProcessName, size: { rows: number; columns: number }): Promise<void> {
    const numbers = frames.encodeNumbers([size.rows, 2], [size.columns, 2])
    await this.request(FRAME.resize, frames.encodeText(process), numbers)
  }

  async closeStdin(process: ProcessName): Promise<void> {
    await this.request(FRAME.closeStdin, frames.encodeText(process))
  }

  async remove(process: ProcessName): Promise<void> {
    await this.request(FRAME.remove, frames.encodeText(process))
    this.processes.delete(process)
    this.inputEnds.delete(process)
    this.onSync.delete(process)
  }

  async shutdown(): Promise<void> {
    if (!this.socket.destroyed) {
      // The shim may be gone before its answer is read.
      await this.request(FRAME.shutdown).catch(() => undefined)
    }
    await this.closed
  }

  onExit(listener: ExitListener): void {
    this.exitListeners.push(listener)
    for (const state of this.processes.values()) if (state.exit) listener({ ...state, exit: state.exit })
  }

  onInputEnd(listener: (process: ProcessName) => void): void {
    this.inputEndListeners.push(listener)
    for (const process of this.inputEnds) listener(process)
  }

  /** Hangs up; the shim and its container go on. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy()
    await this.closed
  }

  private async request(type: number, ...parts: readonly Uint8Array[]): Promise<Buffer> {
    if (this.socket.destroyed) throw new Failure('unavailable', `shim of ${this.bundle} is gone`)
    do this.lastRequest = (this.lastRequest % REQUEST_MAX) + 1
    while (this.waiters.has(this.lastRequest))
    const request = this.lastRequest
    return await new Promise<Buffer>((resolve, reject) => {
      this.waiters.set(request, { resolve, reject })
      this.socket.write(frames.encodeFrame(type, request, ...parts))
    })
  }

  private receive(chunk: Buffer): void {
    try {
      for (const frame of this.decoder.push(chunk)) this.handle(frame)
    } catch (error) {
      this.failAll(new Failure('data-loss', `shim of ${this.bundle}: ${messageOf(error)}`, { cause: error }))
      this.socket.destroy()
    }
  }

  private handle({ type, request, payload }: frames.Frame): void {
    if (type === FRAME.hello) return this.greet(payload)
    if (request === 0 && type === FRAME.process) return this.learn(frames.decodeProcess(payload))
    if (request === 0 && type === FRAME.error) return this.failInit(payload)
    if (type === FRAME.sync) return void this.answerSync(frames.decodeSync(payload))
    if (type === FRAME.inputEnd) return this.learnInputEnd(frames.decodeName(payload))
    const waiter = this.waiters.get(request)
    this.waiters.delete(request)
    if (type !== FRAME.error) return waiter?.resolve(payload)
    waiter?.reject(frames.decodeError(payload))
  }

  private greet(payload: Buffer): void {
    const { version, shimPid } = frames.decodeHello(payload)
    if (version !== VERSION) throw new RangeError(`protocol version ${version}`)
    this.shimPid = shimPid
    this.hello?.resolve(payload)
    this.hello = undefined
  }

  private learn(state: ProcessState): void {
    const before = this.processes.get(state.process)
    this.processes.set(state.process, state)
    this.settleCreated((waiter) => waiter.resolve(Buffer.alloc(0)), state.process)
    if (state.exit && before?.state !== 'exited')
      for (const listener of this.exitListeners) listener({ ...state, exit: state.exit })
  }

  private learnInputEnd(process: ProcessName): void {
    this.inputEnds.add(process)
    for (const listener of this.inputEndListeners) listener(process)
  }

  /** Who has not asked for the process leaves the answer to who has. */
  private async answerSync(request: SyncRequest): Promise<void> {
    const onSync = this.onSync.get(request.process)
    if (!onSync) return
    const word = await this.wordFor(request, onSync)
    // A process that was killed meanwhile has nothing to proceed to: what made it rejects.
    await this.request(FRAME.proceed, frames.encodeText(request.process), word).catch(() => undefined)
  }

  private async wordFor(request: SyncRequest, onSync: OnSync): Promise<Buffer> {
    try {
      return frames.encodeState(await onSync(request))
    } catch (error) {
      this.refusals.set(request.process, error)
      return GIVE_UP
    }
  }

  private reasonOf(process: ProcessName, error: unknown): unknown {
    return this.refusals.has(process) ? this.refusals.get(process) : error
  }

  private failInit(payload: Buffer): void {
    const failure = frames.decodeError(payload)
    this.initFailure = failure
    this.settleCreated((waiter) => waiter.reject(failure))
  }

  /** Settles those that wait for `process`, or all. */
  private settleCreated(settle: (waiter: Waiter) => void, process?: ProcessName): void {
    const waiting = this.createdWaiters.splice(0)
    for (const entry of waiting)
      if (process === undefined || entry.process === process) settle(entry.waiter)
      else this.createdWaiters.push(entry)
  }

  private failAll(error: Failure): void {
    this.hello?.reject(error)
    this.hello = undefined
    this.settleCreated((waiter) => waiter.reject(error))
    for (const waiter of this.waiters.values()) waiter.reject(error)
    this.waiters.clear()
  }
}

/** The OnSync of a caller who knows of none. */
export const refuseSync: OnSync = ({ process, point }) =>
  Promise.reject(new Failure('failed-precondition', `${process}: nobody answers at sync point ${point}`))

function encodeSource(source: ProcessPlan | ProcessSource, { streams }: ProcessOptions): Buffer {
  if ('relay' in source) return encodeRelayPlan(source.relay)
  if ('command' in source) return encodeCommandPlan(source.command, streams)
  return encodeExecPlan('plan' in source ? source.plan : source, streams)
}
