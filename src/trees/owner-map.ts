// Files of a user namespace's lie with the host's ids; an archive has the namespace's.

interface Owner {
  uid: number
  gid: number
}

export interface OwnerMap {
  /** From a file to an archive. */
  told(owner: Owner): Owner
  /** From an archive to a file; throws Failure for an id that has no place on the host. */
  given(owner: Owner): Owner
}
