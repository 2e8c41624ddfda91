// struct sockaddr_un of a path.
import { Failure } from '../base/failure.ts'
import { AF_UNIX } from './constants.ts'

const PATH_BYTES_MAX = 107

/** A leading `@` stands for the zero of an abstract name. Throws invalid-argument where it is too long. */
export function unixAddress(path: string): Uint8Array {
  const name = Buffer.from(path.startsWith('@') ? `\0${path.slice(1)}` : `${path}\0`)
  if (name.length > PATH_BYTES_MAX + 1) throw new Failure('invalid-argument', `${path}: too long for a unix socket`)
  return Buffer.concat([Buffer.from([AF_UNIX, 0]), name])
}
