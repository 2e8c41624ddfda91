// A netlink socket: requests go out in batches, the kernel has done them when `send` returns, acknowledgements are read at once.
import { read, write } from 'node:fs'
import { promisify } from 'node:util'
import { Failure } from '../../base/failure.ts'
import type { Fd, Kernel } from '../kernel.ts'
import { KernelError } from '../kernel-error.ts'
import {
  errnoOf,
  type NetlinkMessage,
  type NetlinkRequest,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_NOOP,
  splitMessages,
  stamp,
} from './message.ts'

export const NETLINK_ROUTE = 0
export const NETLINK_NETFILTER = 12

const AF_NETLINK = 16
const SOCK_RAW = 3
const SOCK_CLOEXEC = 0o2000000
const SOL_NETLINK = 270
const NETLINK_CAP_ACK = 10
const TIMEOUT_MS = 5000
/** The kernel cuts dumps into datagrams of at most 32 KiB; an acknowledgement is a header and the request's header. */
const ANSWER_SIZE_MAX = 64 * 1024
const ACK_SIZE_MAX = 2048
const DUMP_TRIES_MAX = 10

const writeAsync = promisify(write)
const readAsync = promisify(read)

/** Belongs to the network namespace in which it was opened, wherever the thread is later. Who opens it closes it. */
export class NetlinkSocket implements Disposable {
  readonly #kernel: Kernel
  readonly #fd: Fd
  readonly #protocol: number
  #sequence = 1
  #isClosed = false

  private constructor(kernel: Kernel, fd: Fd, protocol: number) {
    this.#kernel = kernel
    this.#fd = fd
    this.#protocol = protocol
  }

  static open(kernel: Kernel, protocol: number): NetlinkSocket {
    const fd = kernel.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)
    kernel.setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, new Uint8Array([1, 0, 0, 0])) // errors don't repeat the request
    return new NetlinkSocket(kernel, fd, protocol)
  }

  /** Sends all in one datagram. The kernel tries each of them, even behind a failed one; the first failure is thrown. */
  perform(...requests: readonly NetlinkRequest[]): void {
    const waiting = this.#stampAll(requests)
    this.#send(requests)
    this.#collect(waiting)
  }

  /** An nfnetlink transaction: all or nothing. `begin` and `end` are the batch's brackets. */
  performBatch(begin: NetlinkRequest, requests: readonly NetlinkRequest[], end: NetlinkRequest): void {
    const last = requests.at(-1)
    if (!last) return
    const subjects = new Map<number, string>()
    let failure: KernelError | undefined
    for (const each of [begin, ...requests, end]) {
      // Only the last is acknowledged: the kernel answers after the commit, and names others only when they fail.
      stamp(each.bytes, this.#sequence, each === last ? NLM_F_ACK : 0)
      subjects.set(this.#sequence++, each.subject)
    }
    this.#send([begin, ...requests, end])
    const lastSequence = last.bytes.readUInt32LE(8)
    const beginSequence = begin.bytes.readUInt32LE(8)
    for (;;) {
      for (const message of splitMessages(this.#kernel.receive(this.#fd, ACK_SIZE_MAX, TIMEOUT_MS))) {
        const subject = subjects.get(message.sequence)
        if (subject === undefined || message.type !== NLMSG_ERROR) continue
        if (errnoOf(message) !== 0) failure ??= this.#failure(subject, message)
        const isWhole = message.sequence === beginSequence // a commit that failed, or no permission
        if (message.sequence !== lastSequence && !isWhole) continue
        if (failure) throw failure
        if (!isWhole) return
      }
    }
  }

  /** A request with a single answer. */
  query(wanted: NetlinkRequest): NetlinkMessage {
    const sequence = this.#sequence++
    stamp(wanted.bytes, sequence, 0)
    this.#send([wanted])
    for (;;) {
      for (const message of splitMessages(this.#kernel.receive(this.#fd, ANSWER_SIZE_MAX, TIMEOUT_MS))) {
        if (message.sequence !== sequence || message.type === NLMSG_NOOP) continue
        if (message.type === NLMSG_ERROR) throw this.#failure(wanted.subject, message)
        return message
      }
    }
  }

  /** All objects of a kind. A dump that the kernel says was disturbed by a change is taken again. */
  dump(wanted: NetlinkRequest): NetlinkMessage[] {
    for (let attempt = 0; attempt < DUMP_TRIES_MAX; attempt++) {
      const found = this.#dumpOnce(wanted)
      if (found) return found
    }
    throw new Failure('unavailable', `${wanted.subject}: the kernel's tables change too fast`)
  }

  #dumpOnce(wanted: NetlinkRequest): NetlinkMessage[] | undefined {
    const sequence = this.#sequence++
    stamp(wanted.bytes, sequence, NLM_F_DUMP)
    this.#send([wanted])
    const found: NetlinkMessage[] = []
    let isDisturbed = false
    for (;;) {
      for (const message of splitMessages(this.#kernel.receive(this.#fd, ANSWER_SIZE_MAX, TIMEOUT_MS))) {
        if (message.sequence !== sequence) continue
        if ((message.flags & NLM_F_DUMP_INTR) !== 0) isDisturbed = true
        if ((message.type === NLMSG_ERROR || message.type === NLMSG_DONE) && errnoOf(message) !== 0)
          throw this.#failure(wanted.subject, message)
        if (message.type === NLMSG_DONE) return isDisturbed ? undefined : found
        found.push(message)
      }
    }
  }

  /**
   * As `perform`, on Node's thread pool: for requests that the kernel answers after tens of milliseconds, such as the removal of a
   * link. The socket must not be used for anything else meanwhile. Resolves to the failures, in order of arrival.
   */
  async performInBackground(...requests: readonly NetlinkRequest[]): Promise<KernelError[]> {
    const waiting = this.#stampAll(requests)
    const failures: KernelError[] = []
    // write(2) without an address reaches the kernel, and Node's asynchronous write runs on a pool thread.
    await writeAsync(this.#fd, Buffer.concat(requests.map(({ bytes }) => bytes)))
    const buffer = Buffer.alloc(ACK_SIZE_MAX)
    while (waiting.size > 0) {
      const { bytesRead } = await readAsync(this.#fd, buffer, 0, buffer.length, null)
      for (const message of splitMessages(buffer.subarray(0, bytesRead))) {
        const subject = waiting.get(message.sequence)
        if (subject === undefined || message.type !== NLMSG_ERROR) continue
        if (errnoOf(message) !== 0) failures.push(this.#failure(subject, message))
        waiting.delete(message.sequence)
      }
    }
    return failures
  }

  /** Idempotent: the number may be another file's by the second call. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#kernel.close(this.#fd)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #stampAll(requests: readonly NetlinkRequest[]): Map<number, string> {
    const waiting = new Map<number, string>()
    for (const each of requests) {
      stamp(each.bytes, this.#sequence, NLM_F_ACK)
      waiting.set(this.#sequence++, each.subject)
    }
    return waiting
  }

  #collect(waiting: Map<number, string>): void {
    let failure: KernelError | undefined
    while (waiting.size > 0) {
      for (const message of splitMessages(this.#kernel.receive(this.#fd, ACK_SIZE_MAX, TIMEOUT_MS))) {
        const subject = waiting.get(message.sequence)
        if (subject === undefined || message.type !== NLMSG_ERROR) continue // an answer to a request that was given up
        if (errnoOf(message) !== 0) failure ??= this.#failure(subject, message)
        waiting.delete(message.sequence)
      }
    }
    if (failure) throw failure
  }

  #send(requests: readonly NetlinkRequest[]): void {
    const [only] = requests
    this.#kernel.send(
      this.#fd,
      requests.length === 1 && only ? only.bytes : Buffer.concat(requests.map((r) => r.bytes)),
    )
  }

  #failure(subject: string, message: NetlinkMessage): KernelError {
    return new KernelError(this.#protocol === NETLINK_ROUTE ? 'rtnetlink' : 'nf_tables', subject, errnoOf(message))
  }
}
