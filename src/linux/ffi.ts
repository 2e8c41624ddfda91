// What libc.ts needs of a foreign function interface. Two runtimes bring one each: ffi-koffi.ts for Node, ffi-bun.ts for Bun.

export type Argument = number | bigint | string | Uint8Array | Int32Array | null
export type ArgumentType = 'int' | 'uint' | 'long' | 'ulong' | 'size_t' | 'str' | 'ptr'
/** Returns the C function's result; negative is a failure, with `errno()` to ask. */
export type NativeFunction = (...args: Argument[]) => number

export interface ForeignFunctions {
  /** A function of the C library, by name and signature. */
  bind(name: string, result: 'int' | 'long', args: readonly ArgumentType[]): NativeFunction
  /** Of the last call that failed. */
  errno(): number
  /** Where a buffer lies; the caller keeps it alive. */
  addressOf(bytes: Uint8Array): bigint
}
