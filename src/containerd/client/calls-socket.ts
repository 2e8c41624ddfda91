// Beside its gRPC socket berth-containerd has one for unary calls by ttrpc (wire/ttrpc/serve-router.ts); another containerd has none.

/** @param address path of the gRPC socket. */
export function callsSocketOf(address: string): string {
  return `${address}.calls`
}
