// Who is at the other end of a connection: the kernel knows it of a unix socket, unix(7) SO_PEERCRED.
import type { Socket } from 'node:net'
import type { EventOrigin } from '../../api/event-types.ts'
import type { Kernel } from '../../linux/kernel.ts'

const SOL_SOCKET = 1
const SO_PEERCRED = 17
/** struct ucred: pid, uid, gid. */
const UCRED_BYTES = 12

export type OriginOf = (socket: Socket) => EventOrigin | undefined

/** Asked once a connection: the answer is of the process that connected, whoever holds the socket now. */
export function openPeerLookup(kernel: Kernel): OriginOf {
  const known = new WeakMap<Socket, EventOrigin>()
  return (socket) => {
    let origin = known.get(socket)
    if (origin === undefined) {
      origin = lookUp(kernel, socket)
      if (origin !== undefined) known.set(socket, origin)
    }
    return origin
  }
}

function lookUp(kernel: Kernel, socket: Socket): EventOrigin | undefined {
  const { remoteAddress, remotePort } = socket
  if (remoteAddress !== undefined) return { address: `${remoteAddress} ${remotePort}` }
  // Node has no public name for a socket's descriptor.
  const { fd } = (socket as { _handle?: { fd?: number } | null })._handle ?? {}
  if (fd === undefined || fd < 0) return undefined
  try {
    const [pid = 0, uid = 0, gid = 0] = new Uint32Array(
      kernel.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, UCRED_BYTES).slice().buffer,
    )
    return { uid, gid, pid }
  } catch {
    return undefined // the connection has ended this moment
  }
}
