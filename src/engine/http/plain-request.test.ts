import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePlainRequest } from './plain-request.ts'

const parse = (text: string) => parsePlainRequest(Buffer.from(text, 'latin1'))

test('a request as clients send it is read', () => {
  const got = parse(
    'POST /v1.41/containers/a/exec?x=%20 HTTP/1.1\r\nHost: docker\r\nUser-Agent: Docker-Client/28 (linux)\r\nContent-Type:application/json \r\nX-Empty:\r\nConnection: Keep-Alive\r\nContent-Length: 4\r\n\r\n{\xc3\xa9}',
  )
  assert.equal(got?.method, 'POST')
  assert.equal(got?.target, '/v1.41/containers/a/exec?x=%20')
  assert.deepEqual(
    { ...got?.headers },
    {
      host: 'docker',
      'user-agent': 'Docker-Client/28 (linux)',
      'content-type': 'application/json',
      'x-empty': '',
      connection: 'Keep-Alive',
      'content-length': '4',
    },
  )
  assert.equal(got?.body.toString(), '{é}')
})

test('the same headers around another body are read once', () => {
  const ask = (path: string, body: string) =>
    parse(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  const [one, two] = [ask('/a', 'first'), ask('/b', 'other')]
  assert.equal(one?.headers, two?.headers)
  assert.deepEqual([one?.body.toString(), two?.body.toString()], ['first', 'other'])
  assert.throws(() => Object.assign(one?.headers ?? {}, { host: 'y' }), TypeError)
})

test('anything else is left to a parser that knows all of HTTP', () => {
  const line = 'GET /_ping HTTP/1.1\r\n'
  const post = 'POST /a HTTP/1.1\r\nHost: x\r\n'
  const others = [
    'GET /_ping HTTP/1.0\r\nHost: x\r\n\r\n',
    'get /_ping HTTP/1.1\r\nHost: x\r\n\r\n',
    'PUT /a HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET _ping HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET http://x/_ping HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /\xe9 HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /_ping HTTP/1.1\nHost: x\n\n',
    ` ${line}Host: x\r\n\r\n`,
    `\r\n${line}Host: x\r\n\r\n`,
    `${line}\r\n`, // no host
    `${line}Host: x\r\n`, // not whole
    `${line}Host: x\r\n\r\n${line}Host: x\r\n\r\n`, // two at once
    `${line}Host: x\r\n folded\r\n\r\n`,
    `${line}Host : x\r\n\r\n`,
    `${line}Host: x\r\nHost: y\r\n\r\n`,
    `${line}Host: x\r\nA: \xe9\r\n\r\n`,
    `${line}Host: x\r\nA: a\nB: b\r\n\r\n`,
    `${line}Host: x\r\nA: a\rB: b\r\n\r\n`,
    `${line}Host: x\r\nA\r\n\r\n`,
    `${line}Host: x\r\n: a\r\n\r\n`,
    `${line}Host: x\r\nConnection: close\r\n\r\n`,
    `${line}Host: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`,
    `${line}Host: x\r\nUpgrade: h2c\r\n\r\n`,
    `${post}Expect: 100-continue\r\nContent-Length: 1\r\n\r\na`,
    `${post}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `${post}Transfer-Encoding: identity\r\nContent-Length: 1\r\n\r\na`,
    `${post}Content-Length: 1\r\nContent-Length: 1\r\n\r\na`,
    `${post}Content-Length: 1, 1\r\n\r\na`,
    `${post}Content-Length: +1\r\n\r\na`,
    `${post}Content-Length: 0x1\r\n\r\na`,
    `${post}Content-Length: \r\n\r\n`,
    `${post}Content-Length: -0\r\n\r\n`,
    `${post}Content-Length: 2\r\n\r\na`,
    `${post}Content-Length: 1\r\n\r\nab`,
    `${post}\r\na`,
    `${line}Host: x\r\nA: ${'a'.repeat(5000)}\r\n\r\n`,
    '',
    '\r\n\r\n',
  ]
  for (const text of others) assert.equal(parse(text), undefined, JSON.stringify(text))
})

test('names that objects have of themselves are headers as others are', () => {
  const got = parse('GET /_ping HTTP/1.1\r\nHost: x\r\ntoString: a\r\nconstructor: b\r\n\r\n')
  assert.deepEqual([got?.headers['tostring'], got?.headers['constructor']], ['a', 'b'])
})
