// /proc/<pid>/mountinfo (proc(5)): what is mounted where, in the order in which the mounts came.

export interface MountLine {
  /** One character a byte where the text was read so (latin1): paths are bytes. */
  mountPoint: string
  /** `shared:2`, `master:1`: how it propagates. */
  optional: readonly string[]
  fstype: string
  /** Of the file system, not of this mount: an overlay's directories stand here. */
  superOptions: readonly string[]
}

/** Lines of another shape are left out. */
export function parseMountInfo(text: string): MountLine[] {
  return text.split('\n').flatMap((line) => {
    const [mine = '', theirs = ''] = line.split(' - ')
    const [, , , , mountPoint, , ...optional] = mine.split(' ')
    const [fstype, , options] = theirs.split(' ')
    if (mountPoint === undefined || fstype === undefined || options === undefined) return []
    const superOptions = options.split(',').map(unescapeOctal)
    return [{ mountPoint: unescapeOctal(mountPoint), optional, fstype, superOptions }]
  })
}

/** Space, tab, newline and backslash stand in octal. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}
