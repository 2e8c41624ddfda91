// What of a pull that failed is worth keeping for the next one, and for how long (docs/decisions/resumed-pulls.md). Decided here for the engine and for
// containerd's transfers alike.
import { Failure, isFailure } from '../../base/failure.ts'

/** From the beginning of the last pull that came by it; as long as containerd keeps uploads. */
export const KEPT_MS = 24 * 3_600_000
/** Less is sooner downloaded again than looked after. */
export const KEPT_BYTES_MIN = 16 << 10
/** Of all kept pulls of an engine, or of all transfers. */
export const KEPT_BYTES_MAX = 20 * 2 ** 30

export interface KeptPull {
  id: string
  /** When it goes, in milliseconds since the epoch. */
  expiresAtMs: number
  /** Of its blobs, whole and half. */
  bytes: number
}

/** No pull of it will ever get further on this disk, going by the sizes that its manifest claims. */
class LargerThanDisk extends Failure {}

/** @returns what is wrong where `wantedBytes`, of which some may be here, do not fit now. Sizes in bytes; `where` is told to the user. */
export function noRoom(wantedBytes: number, diskBytes: number, where: string): Failure {
  const text = `write ${where}: no space left on device`
  return wantedBytes > diskBytes
    ? new LargerThanDisk('resource-exhausted', text)
    : new Failure('resource-exhausted', text)
}

/**
 * It was the line, a server that is not well, or a disk that was full for a while: the same pull may get further the next time. Not so where the bytes are
 * wrong, or the client has had enough.
 */
export function isCut(error: unknown): boolean {
  return isFailure(error, 'unavailable') || (isFullDisk(error) && !(error instanceof LargerThanDisk))
}

/** By its words, which are the kernel's: the original containerd has no code for it, and what breaks bounds of ours has the same. */
export function isFullDisk(error: unknown): boolean {
  return isFailure(error) && /no space left on device|disk quota exceeded/i.test(error.message)
}

/** Which of them are to go: those whose time is over, that are not worth it, and the oldest where together they are too large. */
export function chooseDropped(kept: readonly KeptPull[], nowMs: number, bytesMax = KEPT_BYTES_MAX): string[] {
  let left = bytesMax
  const dropped: string[] = []
  for (const { id, expiresAtMs, bytes } of [...kept].sort((a, b) => b.expiresAtMs - a.expiresAtMs)) {
    const stays = expiresAtMs > nowMs && bytes >= KEPT_BYTES_MIN && bytes <= left
    if (stays) left -= bytes
    else dropped.push(id)
  }
  return dropped
}

/** When the first of those that stay is to go; undefined where there is none. */
export function nextExpiryMs(kept: readonly KeptPull[], dropped: readonly string[]): number | undefined {
  const times = kept.flatMap(({ id, expiresAtMs }) => (dropped.includes(id) ? [] : [expiresAtMs]))
  return times.length === 0 ? undefined : Math.min(...times)
}
