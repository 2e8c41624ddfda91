// Puts a device program on a v2 group by bpf(2), in place of those that are there.
//
// All programs of a group must agree before a device is opened, so a second one beside the first would, for a moment, allow less than either.
import { closeSync, constants, openSync } from 'node:fs'
import { hasErrno } from '../kernel-error.ts'
import type { Fd, Kernel } from '../kernel.ts'

const BPF_PROG_LOAD = 5
const BPF_PROG_ATTACH = 8
const BPF_PROG_DETACH = 9
const BPF_PROG_GET_FD_BY_ID = 13
const BPF_PROG_QUERY = 16
const BPF_PROG_TYPE_CGROUP_DEVICE = 15
const BPF_CGROUP_DEVICE = 6
const BPF_F_ALLOW_MULTI = 2
const BPF_F_REPLACE = 4
const PROGRAMS_MAX = 64
const LOAD_TRIES = 10

/** One program is replaced in one step (kernel 5.6); of several, the new one is on before the old ones go: at no moment is the group open. */
export function attachDeviceProgram(kernel: Kernel, directory: string, program: Uint8Array): void {
  const group = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  let loaded: Fd | undefined
  try {
    const { ids, flags } = queryPrograms(kernel, group)
    loaded = loadProgram(kernel, program)
    const [only] = ids
    if (only !== undefined && ids.length === 1 && (flags & BPF_F_ALLOW_MULTI) !== 0) {
      replaceProgram(kernel, group, only, loaded)
    } else {
      kernel.bpf(BPF_PROG_ATTACH, words(group, loaded, BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI))
      for (const id of ids) detachProgram(kernel, group, id)
    }
  } finally {
    if (loaded !== undefined) kernel.close(loaded) // the group holds it
    closeSync(group)
  }
}

function replaceProgram(kernel: Kernel, group: Fd, old: number, loaded: Fd): void {
  const replaced = kernel.bpf(BPF_PROG_GET_FD_BY_ID, words(old, 0, 0))
  try {
    kernel.bpf(BPF_PROG_ATTACH, words(group, loaded, BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI | BPF_F_REPLACE, replaced))
  } finally {
    kernel.close(replaced)
  }
}

/** The kernel takes device programs under any licence; none is named that it would check. */
const LICENSE = new TextEncoder().encode('Apache-2.0\0')

function loadProgram(kernel: Kernel, program: Uint8Array): Fd {
  const attributes = new Uint8Array(72)
  const view = new DataView(attributes.buffer)
  view.setUint32(0, BPF_PROG_TYPE_CGROUP_DEVICE, true)
  view.setUint32(4, program.length / 8, true)
  view.setBigUint64(8, kernel.addressOf(program), true)
  view.setBigUint64(16, kernel.addressOf(LICENSE), true)
  // The verifier gives up when a signal is waiting, be it only a child's end, which the runtime takes after the call.
  for (let tries = 1; ; tries++) {
    try {
      return kernel.bpf(BPF_PROG_LOAD, attributes)
    } catch (error) {
      if (tries === LOAD_TRIES || !hasErrno(error, 'EAGAIN')) throw error
    }
  }
}

/** `flags`: those with which they were attached. */
function queryPrograms(kernel: Kernel, group: Fd): { ids: number[]; flags: number } {
  const ids = new Uint32Array(PROGRAMS_MAX)
  const attributes = new Uint8Array(32)
  const view = new DataView(attributes.buffer)
  view.setUint32(0, group, true)
  view.setUint32(4, BPF_CGROUP_DEVICE, true)
  view.setBigUint64(16, kernel.addressOf(new Uint8Array(ids.buffer)), true)
  view.setUint32(24, PROGRAMS_MAX, true)
  kernel.bpf(BPF_PROG_QUERY, attributes)
  return { ids: [...ids.subarray(0, view.getUint32(24, true))], flags: view.getUint32(12, true) }
}

function detachProgram(kernel: Kernel, group: Fd, id: number): void {
  const program = kernel.bpf(BPF_PROG_GET_FD_BY_ID, words(id, 0, 0))
  try {
    kernel.bpf(BPF_PROG_DETACH, words(group, program, BPF_CGROUP_DEVICE, 0))
  } finally {
    kernel.close(program)
  }
}

function words(...values: number[]): Uint8Array {
  return new Uint8Array(new Uint32Array(values).buffer)
}
