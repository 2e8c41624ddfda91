// Finding a living shim again by its bundle.
import { join } from 'node:path'
import { connectUnix } from './connect-unix.ts'
import { ControlConnection } from './control-connection.ts'
import type { ConnectShim, OnSync } from './shim.ts'

const NOBODY_LISTENS = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTDIR'])

/** Resolves once the shim has said hello; its processes follow. `onSync` is for the spawner: it answers for the first process. */
export async function connectControl(bundle: string, onSync?: OnSync): Promise<ControlConnection | undefined> {
  try {
    const connection = new ControlConnection(await connectUnix(join(bundle, 'shim.sock')), bundle, onSync)
    await connection.ready
    return connection
  } catch (error) {
    if (error instanceof Error && 'code' in error && NOBODY_LISTENS.has(String(error.code))) return undefined
    if (error instanceof Error && 'code' in error && error.code === 'unavailable') return undefined // it ended meanwhile
    throw error
  }
}

export const connectShim: ConnectShim = async (bundle) => {
  const shim = await connectControl(bundle)
  await shim?.settle()
  return shim
}
