// What a call's metadata says about on whose behalf it is made.
import { Failure, isFailure } from '../../base/failure.ts'
import type { CallContext } from '../../wire/grpc/service.ts'
import { checkIdentifier } from '../identifier.ts'

/** The namespace that the call names. Throws `failed-precondition` where it names none. */
export function namespaceOf(context: CallContext): string {
  const namespace = firstOf(context.headers['containerd-namespace'])
  if (namespace === undefined) throw new Failure('failed-precondition', 'namespace is required: failed precondition')
  try {
    return checkIdentifier(namespace)
  } catch (error) {
    throw isFailure(error) ? new Failure(error.code, `namespace validation: ${error.message}`) : error
  }
}

/** The lease that shall hold what the call creates. */
export function leaseOf(context: CallContext): string | undefined {
  return firstOf(context.headers['containerd-lease'])
}

/** Some clients add the header once per interceptor: then the values stand in one, with commas between them. */
function firstOf(header: string | undefined): string | undefined {
  return header?.split(',')[0]?.trim() || undefined
}
