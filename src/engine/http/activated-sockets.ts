// Sockets that the service manager opened for us (sd_listen_fds(3)): descriptors from 3 on, told of by variables.
import { closeSync } from 'node:fs'
import { Failure } from '../../base/failure.ts'

const FIRST_FD = 3
const FDS_MAX = 1024

/** A name per descriptor, from 3 on; empty for one without. */
export type ActivatedSockets = readonly string[]

/** Takes the variables out of `env`: they are not about our children. Nothing where they are addressed to another process. */
export function takeActivatedSockets(env: NodeJS.ProcessEnv, pid = process.pid): ActivatedSockets {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = '' } = env
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name]
  const count = Number(LISTEN_FDS ?? 0)
  if (Number(LISTEN_PID) !== pid || !Number.isInteger(count) || count < 1 || count > FDS_MAX) return []
  const names = LISTEN_FDNAMES.split(':')
  return Array.from({ length: count }, (_, i) => names[i] ?? '')
}

/** The descriptors that `fd://name` means: all, or those of a number or a name; the others are closed. Throws in Docker's words. */
export function chooseActivated(sockets: ActivatedSockets, name: string, close = closeSync): number[] {
  if (sockets.length === 0)
    throw refuse('no sockets found via socket activation: make sure the service was started by systemd')
  const all = sockets.map((_, i) => FIRST_FD + i)
  if (name === '' || name === '*') return all
  const named = all.filter((_, i) => sockets[i] === name)
  const chosen = named.length > 0 ? named : [numbered(name)]
  const last = FIRST_FD + sockets.length - 1
  if (chosen.some((fd) => fd < FIRST_FD || fd > last))
    throw refuse('too few socket activated files passed in by systemd')
  for (const fd of all) if (!chosen.includes(fd)) close(fd)
  return chosen
}

function numbered(name: string): number {
  if (/^\d{1,6}$/.test(name)) return Number(name)
  throw refuse(`failed to parse systemd fd address: should be a number: ${name}`)
}

function refuse(message: string): Failure {
  return new Failure('invalid-argument', `failed to load listeners: ${message}`)
}
