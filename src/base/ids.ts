// Random identifiers.
import { randomBytes } from 'node:crypto'

/** 64 hex digits whose first twelve are not all decimal, so that a short id can't be read as a number (moby's rule). */
export function generateId(random: (size: number) => Buffer = randomBytes): string {
  for (;;) {
    const id = random(32).toString('hex')
    if (!/^\d{12}/.test(id)) return id
  }
}

/** The short form that Docker prints: twelve digits. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12)
}
