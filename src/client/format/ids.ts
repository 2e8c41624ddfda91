// Identifiers and texts cut to what fits in a table.

/** Twelve digits. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12)
}

/** The last character that fits says that there is more. */
export function ellipsis(text: string, lengthMax: number): string {
  const letters = [...text]
  return letters.length > lengthMax ? `${letters.slice(0, lengthMax - 1).join('')}…` : text
}
