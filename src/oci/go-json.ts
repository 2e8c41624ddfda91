// JSON as Go's encoding/json writes it: documents that several programs make from the same facts then have the same digest.

/** Keys stay in their order, save those of what was a map in Go: sort them first (`sortedMap`). */
export function goJson(value: unknown): string {
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, escaped)
}

/** A map's entries in the order of their keys' bytes. */
export function sortedMap<V>(map: Readonly<Record<string, V>>): Record<string, V> {
  const entries = Object.entries(map).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  return Object.fromEntries(entries)
}

/** It writes these as escapes, so that the text can stand in HTML. */
function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
