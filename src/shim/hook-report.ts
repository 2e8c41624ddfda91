// What a failed hook leaves to be told: how it ended, and the beginning of what it said (native/README.md, "Two stages, sync points, hooks").

export interface HookReport {
  /** As wait(2) gives it. */
  status: number
  /** The first two KiB of each stream. */
  stdout: string
  stderr: string
}

/** Undefined where nothing is there. Throws a RangeError on bytes that are too few. */
export function decodeHookReport(bytes: Buffer): HookReport | undefined {
  if (bytes.length === 0) return undefined
  const start = 8
  const middle = start + bytes.readUInt32LE(4)
  if (middle > bytes.length) throw new RangeError(`hook report: ${bytes.length} bytes`)
  return {
    status: bytes.readUInt32LE(0),
    stdout: bytes.toString('utf8', start, middle),
    stderr: bytes.toString('utf8', middle),
  }
}
