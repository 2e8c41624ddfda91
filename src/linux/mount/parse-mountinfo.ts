// /proc/<pid>/mountinfo (proc(5)): what is mounted where, in the order in which the mounts came.

export interface MountLine {
  /** One character a byte, as paths are bytes. */
  mountPoint: string
  fstype: string
  /** Of the file system, not of this mount: an overlay's directories stand here. */
  superOptions: readonly string[]
}

/** `text` is read as latin1. Lines of another shape are left out. */
export function parseMountInfo(text: string): MountLine[] {
  return text.split('\n').flatMap((line) => {
    const [mine = '', theirs = ''] = line.split(' - ')
    const mountPoint = mine.split(' ')[4]
    const [fstype, , options] = theirs.split(' ')
    if (mountPoint === undefined || fstype === undefined || options === undefined) return []
    return [{ mountPoint: unescapeOctal(mountPoint), fstype, superOptions: options.split(',').map(unescapeOctal) }]
  })
}

/** Space, tab, newline and backslash stand in octal. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}
