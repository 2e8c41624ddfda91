// Nanoseconds since the epoch as protobuf writes them.
import { create } from '@bufbuild/protobuf'
import { type Timestamp, TimestampSchema } from '@bufbuild/protobuf/wkt'

export function timestampOf(epochNs: bigint): Timestamp {
  return create(TimestampSchema, { seconds: epochNs / 1_000_000_000n, nanos: Number(epochNs % 1_000_000_000n) })
}
