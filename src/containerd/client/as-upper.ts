// A layer that is unpacked before those below it are there.

interface MountLike {
  type: string
  source: string
  options: string[]
}

/**
 * The mount of a snapshot without a parent, for a layer that is laid on others only at its commit: on a plain directory its deletions would be
 * done, and forgotten. As an overlay's upper directory it gets what hides the layers below.
 */
export function asUpper<M extends MountLike>(mount: M): M {
  if (mount.type !== 'bind') return mount
  const options = mount.options.filter((option) => option !== 'rbind')
  return { ...mount, type: 'overlay', source: 'overlay', options: [...options, `upperdir=${mount.source}`] }
}
