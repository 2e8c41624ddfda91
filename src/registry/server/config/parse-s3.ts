// `storage.s3`, with the original's keys.
import type { S3Settings } from '../storage/s3-client.ts'
import type { Section } from './section.ts'

/** Keys may come from the environment, under Amazon's names. */
export function parseS3(
  s3: Section,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): S3Settings {
  // Sizes of parts and numbers of copies are ours to choose; version 4 is the one way to sign.
  s3.ignore(
    'chunksize',
    'multipartcopychunksize',
    'multipartcopymaxconcurrency',
    'multipartcopythresholdsize',
    'v4auth',
  )
  s3.ignore('rootdirectoryprefix', 'loglevel')
  const region = s3.text('region') ?? 'us-east-1'
  const isEncrypted = s3.flag('encrypt') ?? false
  const kmsKey = s3.text('keyid')
  if (s3.flag('skipverify') ?? false) throw s3.wrong('skipverify', 'false: name the authority in NODE_EXTRA_CA_CERTS')
  return {
    bucket: s3.requiredText('bucket'),
    region,
    endpoint: parseEndpoint(s3),
    pathStyle: s3.flag('forcepathstyle') ?? false,
    accessKey: s3.text('accesskey') ?? environment['AWS_ACCESS_KEY_ID'] ?? missing(s3, 'accesskey'),
    secretKey: s3.text('secretkey') ?? environment['AWS_SECRET_ACCESS_KEY'] ?? missing(s3, 'secretkey'),
    sessionToken: s3.text('sessiontoken') ?? environment['AWS_SESSION_TOKEN'],
    prefix: (s3.text('rootdirectory') ?? '').replace(/^\/+|\/+$/g, '').replace(/(?<=.)$/, '/'),
    storageClass: s3.text('storageclass'),
    encryption: isEncrypted ? (kmsKey === undefined ? 'AES256' : 'aws:kms') : undefined,
    kmsKey: isEncrypted ? kmsKey : undefined,
  }
}

function missing(s3: Section, key: string): never {
  throw s3.wrong(key, 'given, here or in the environment')
}

/** With or without a scheme; `secure` decides then. */
function parseEndpoint(s3: Section): string | undefined {
  const text = s3.text('regionendpoint')
  const isSecure = s3.flag('secure') ?? true
  if (text === undefined || text === '') return undefined
  const endpoint = /^https?:\/\//.test(text) ? text : `${isSecure ? 'https' : 'http'}://${text}`
  if (!URL.canParse(endpoint)) throw s3.wrong('regionendpoint', 'an address')
  return endpoint
}
