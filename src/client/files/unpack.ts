// An archive out of a container, unpacked into a directory of the user's. It is whatever the container's owner made of it: no link of its own is followed.
import { TreeExtractor } from '../../trees/extract-tree.ts'
import { type ByteString, byteString, type TarEntry } from '../../wire/tar/entry.ts'
import { TarParser, type TarSink } from '../../wire/tar/tar-parser.ts'

/** One part of an entry's name that goes by another. */
export interface Renaming {
  from: string
  to: string
}

/** Files become the caller's; a directory is not replaced by a file, nor the other way round. */
export async function unpackInto(
  directory: string,
  renamings: readonly Renaming[],
  source: AsyncIterable<Uint8Array>,
): Promise<void> {
  const extractor = new TreeExtractor({
    ...{ directory: byteString(directory), owner: 'mine', keepsKinds: true, followsLinks: false },
  })
  const parser = new TarParser(renamed(extractor, renamings))
  try {
    for await (const bytes of source) {
      if (!parser.ended) parser.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
    }
    parser.finish()
    extractor.finish()
  } finally {
    extractor.abandon()
  }
}

function renamed(sink: TarSink, renamings: readonly Renaming[]): TarSink {
  const pairs = renamings.map(({ from, to }) => [byteString(from === '/' ? '' : from), byteString(to)] as const)
  const rename = (name: ByteString) => pairs.reduce((text, [from, to]) => text.replace(from, () => to), name)
  return {
    entry: (entry: TarEntry) =>
      sink.entry({
        ...entry,
        name: rename(entry.name),
        linkName: entry.type === 'hardlink' ? rename(entry.linkName) : entry.linkName,
      }),
    data: (bytes) => sink.data(bytes),
    end: () => sink.end(),
  }
}
