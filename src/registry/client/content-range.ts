// Whether a partial answer (206) is the part that was asked for: the rest of a blob, all of it.

/** What is wrong with it, in the words of distribution's client; undefined where nothing is. */
export function rangeMistake(header: string | undefined, offset: number, size: number): string | undefined {
  if (header === undefined || header === '') return 'no Content-Range header found in HTTP 206 response'
  const shown = header.slice(0, 200)
  const match = /^bytes (\d{1,19})-(\d{1,19})\/(\d{1,19}|\*)$/.exec(header)
  if (match === null) return `could not parse Content-Range header: ${shown}`
  const [, start, end, total] = match
  if (Number(start) !== offset)
    return `received Content-Range starting at offset ${start} instead of requested ${offset}`
  if (total !== '*' && Number(total) !== size)
    return `Content-Range size: ${total} does not match expected size: ${size}`
  if (Number(end) < size - 1) return `range in Content-Range stops before the end of the content: ${shown}`
  if (Number(end) > size - 1) return `range in Content-Range ends behind the end of the content: ${shown}`
  return undefined
}
