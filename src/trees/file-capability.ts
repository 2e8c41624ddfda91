// File capabilities (capabilities(7), struct vfs_ns_cap_data): revision 2 is anybody's root's, revision 3 that of the user namespace whose root it names.

export const CAPABILITY = 'security.capability'

const REVISION_AT = 3
const REVISION_2 = 2
const REVISION_3 = 3
const REVISION_2_SIZE = 20
const REVISION_3_SIZE = 24

/** One of a user namespace names an id of this host, and would mean nothing elsewhere. */
export function inNoNamespace(capability: Buffer): Buffer {
  if (capability[REVISION_AT] !== REVISION_3) return capability
  const plain = Buffer.from(capability.subarray(0, REVISION_2_SIZE))
  plain[REVISION_AT] = REVISION_2
  return plain
}

/** As if the user namespace whose root has that id on the host had set it: a mount that maps this id away could not show any other. What is none stays for the kernel to refuse. */
export function inNamespaceOf(rootUid: number, capability: Uint8Array): Uint8Array {
  const plain = inNoNamespace(Buffer.from(capability))
  if (plain[REVISION_AT] !== REVISION_2 || plain.length !== REVISION_2_SIZE) return capability
  const own = Buffer.alloc(REVISION_3_SIZE)
  plain.copy(own)
  own[REVISION_AT] = REVISION_3
  own.writeUInt32LE(rootUid, REVISION_2_SIZE)
  return own
}
