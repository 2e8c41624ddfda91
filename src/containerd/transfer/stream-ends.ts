// Archives on a client's streams, as ends of a transfer.
import type { ImageExportStream, ImageImportStream } from '../../gen/types/transfer/importexport_pb.ts'
import { hostPlatform } from '../../oci/parse-platform.ts'
import type { Platform } from '../../oci/platform.ts'
import { receiveBytes, sendBytes } from './byte-stream.ts'
import type { NamedStream } from './named-stream.ts'
import { platformOf } from './store-end.ts'

export class ImportEnd {
  readonly compressLayers: boolean
  readonly #stream: NamedStream

  constructor(message: ImageImportStream, stream: NamedStream) {
    this.compressLayers = message.forceCompress
    this.#stream = stream
  }

  /** What the client sends, once. */
  bytes(): AsyncGenerator<Buffer> {
    return receiveBytes(this.#stream)
  }
}

export class ExportEnd {
  readonly message: ImageExportStream
  /** This machine's where none are named. */
  readonly platforms: readonly Platform[]
  readonly #stream: NamedStream

  constructor(message: ImageExportStream, stream: NamedStream) {
    this.message = message
    this.platforms = message.platforms.length === 0 ? [hostPlatform()] : message.platforms.map(platformOf)
    this.#stream = stream
  }

  /** Resolves once the client has taken it in, as far as that can be told. */
  send(bytes: AsyncIterable<Buffer>, signal: AbortSignal): Promise<void> {
    return sendBytes(this.#stream, bytes, signal)
  }
}
