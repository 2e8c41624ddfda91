// The C library under Node, by koffi.
import { createRequire } from 'node:module'
import type { ForeignFunctions, NativeFunction } from './ffi.ts'

type Koffi = typeof import('koffi')

/** Loads koffi now: what never calls the C library does not pay for it, and neither does another runtime. */
export function openKoffi(): ForeignFunctions {
  const koffi: Koffi = createRequire(import.meta.url)('koffi')
  const library = koffi.load(null)
  return {
    bind: (name, result, args) => {
      const types = args.map((type) => (type === 'ptr' ? 'void *' : type))
      const bound: NativeFunction = library.func(name, result, types)
      return bound
    },
    errno: () => koffi.errno(),
    addressOf: (bytes) => koffi.address(bytes),
  }
}
