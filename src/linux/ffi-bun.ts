// The C library under Bun, by its own `bun:ffi`.
import type { Argument, ArgumentType, ForeignFunctions, NativeFunction } from './ffi.ts'

type Native = (...args: (number | bigint | Uint8Array | Int32Array | null)[]) => number | bigint

interface BunFfi {
  dlopen(
    library: string,
    symbols: Record<string, { args: readonly string[]; returns: string }>,
  ): { symbols: Record<string, Native> }
  ptr(bytes: Uint8Array): number
  read: { i32(address: number | bigint, offset: number): number }
}

const LIBRARY = 'libc.so.6'
const TYPES: Record<ArgumentType, string> = {
  int: 'i32',
  uint: 'u32',
  long: 'i64',
  ulong: 'u64',
  size_t: 'u64',
  str: 'ptr',
  ptr: 'ptr',
}

export function openBunFfi(): ForeignFunctions {
  const ffi = requireBunFfi()
  const errnoLocation = load(ffi, '__errno_location', [], 'ptr')
  let failed = 0
  return {
    bind: (name, result, args) => {
      const native = load(
        ffi,
        name,
        args.map((type) => TYPES[type]),
        result === 'int' ? 'i32' : 'i64_fast',
      )
      const bound: NativeFunction = (...values) => {
        const returned = Number(native(...values.map(toNative)))
        // At once: what the runtime itself asks of the kernel between two lines of ours would leave its own.
        if (returned < 0) failed = ffi.read.i32(errnoLocation(), 0)
        return returned
      }
      return bound
    },
    errno: () => failed,
    addressOf: (bytes) => BigInt(ffi.ptr(bytes)),
  }
}

function load(ffi: BunFfi, name: string, args: readonly string[], returns: string): Native {
  const found = ffi.dlopen(LIBRARY, { [name]: { args, returns } }).symbols[name]
  if (found === undefined) throw new Error(`${LIBRARY} has no ${name}`)
  return found
}

function toNative(value: Argument): number | bigint | Uint8Array | Int32Array | null {
  return typeof value === 'string' ? Buffer.from(`${value}\0`) : value
}

function isBunFfi(module: unknown): module is BunFfi {
  return typeof module === 'object' && module !== null && 'dlopen' in module && 'ptr' in module && 'read' in module
}

function requireBunFfi(): BunFfi {
  // By a plain import no other runtime could load this file.
  const module: unknown = Reflect.apply(process.getBuiltinModule, process, ['bun:ffi'])
  if (!isBunFfi(module)) throw new Error('bun:ffi is not there')
  return module
}
