// Values of JSON separated by line ends, as the Engine API streams them.

const LINE_CHARACTERS_MAX = 16 * 1024 * 1024

/** Yields each line's value. Throws on malformed JSON and on lines past 16 MiB. */
export async function* readJsonLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  for await (const line of readLines(source)) yield JSON.parse(line)
}

/** Lines that are not blank, as they stand. Throws on one past 16 MiB. */
export async function* readLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of source) {
    rest += decoder.decode(chunk, { stream: true })
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > LINE_CHARACTERS_MAX) throw new Error('JSON stream: a line is too long')
    for (const line of lines) if (line.trim() !== '') yield line
  }
  rest += decoder.decode()
  if (rest.trim() !== '') yield rest
}
