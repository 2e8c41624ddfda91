// The listener of a filter with SCMP_ACT_NOTIFY goes to the agent that the configuration names (config-linux.md, "Seccomp").
import { closeSync } from 'node:fs'
import { Failure, messageOf } from '../../base/failure.ts'
import { connectUnixSocket, fetchDescriptor, sendDescriptor } from '../../linux/pass-descriptor.ts'
import type { RuntimeSpec } from '../../oci/runtime-spec.ts'
import type { StateDocument } from './run-hooks.ts'

export interface SeccompListener {
  /** The process that installed the filter, and the listener's number there. */
  pid: number
  fd: number
  spec: RuntimeSpec
  state: StateDocument
}

/** Throws Failure. The process holds its own copy until it is told to proceed. */
export function sendSeccompListener({ pid, fd, spec, state }: SeccompListener): void {
  const { listenerPath, listenerMetadata } = spec.linux?.seccomp ?? {}
  if (listenerPath === undefined || listenerPath === '')
    throw new Failure('invalid-argument', 'linux.seccomp.listenerPath: must be given for a filter that notifies')
  const told = {
    ociVersion: spec.ociVersion,
    fds: ['seccompFd'],
    pid,
    ...(listenerMetadata === undefined ? {} : { metadata: listenerMetadata }),
    state,
  }
  try {
    const listener = fetchDescriptor(pid, fd)
    try {
      send(listenerPath, JSON.stringify(told), listener)
    } finally {
      closeSync(listener)
    }
  } catch (error) {
    const text = `unable to pass the seccomp listener to ${listenerPath}: ${messageOf(error)}`
    throw new Failure('unavailable', text, { cause: error })
  }
}

function send(path: string, text: string, listener: number): void {
  const socket = connectAgent(path)
  try {
    sendDescriptor(socket, text, listener)
  } finally {
    closeSync(socket)
  }
}

/** In the words that callers of runc look for. */
function connectAgent(path: string): number {
  try {
    return connectUnixSocket(path)
  } catch (error) {
    throw new Failure('unavailable', `failed to connect with seccomp agent: ${messageOf(error)}`, { cause: error })
  }
}
