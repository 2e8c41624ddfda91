// The C library under Node, by koffi.
import { createRequire } from 'node:module'
import type { ForeignFunctions, NativeFunction } from './ffi.ts'
import { type NativeThreadData, throughGate } from './native-gate.ts'

type Koffi = typeof import('koffi')

/** Loads koffi now: what never calls the C library does not pay for it, and neither does another runtime. */
export function openKoffi(): ForeignFunctions {
  const { workerData } = createRequire(import.meta.url)('node:worker_threads') as { workerData: unknown }
  const gate = (workerData as Partial<NativeThreadData> | null)?.nativeGate
  return gate === undefined ? load() : guard(gate)
}

function load(): ForeignFunctions {
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

/** In a thread that may be ended from outside: see native-thread.ts. */
function guard(gate: Int32Array): ForeignFunctions {
  const { bind, errno, addressOf } = throughGate(gate, load)()
  const guardedBind = throughGate(gate, bind)
  return {
    bind: (...signature) => throughGate(gate, guardedBind(...signature)),
    errno: throughGate(gate, errno),
    addressOf: throughGate(gate, addressOf),
  }
}
