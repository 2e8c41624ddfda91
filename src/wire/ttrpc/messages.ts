// What ttrpc's request and response frames hold (proto/ttrpc/request.proto).
import { bytes, int32, int64, type Message, message, nested, repeated, text } from '../protobuf/message.ts'

export const Request = message({
  service: text(1),
  method: text(2),
  payload: bytes(3),
  timeoutNano: int64(4),
  metadata: repeated(nested(5, message({ key: text(1), value: text(2) }))),
})
export type Request = Message<typeof Request>

export const Response = message({
  status: nested(1, message({ code: int32(1), message: text(2) })),
  payload: bytes(2),
})
