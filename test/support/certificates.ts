import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tempDir } from './temp-dir.js'

/** Texts in PEM. */
export interface Certificates {
  readonly ca: string
  readonly cert: string
  readonly key: string
  /** A client's certificate and key in one text. */
  readonly client: string
}

/** Whether this machine can make certificates. */
export const canMakeCertificates = (() => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

/** An authority of the test's own, a server certificate for `localhost` and 127.0.0.1, and a client's. */
export function certificates(name = 'localhost'): Certificates {
  const dir = tempDir()
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' })
  const text = (file: string) => readFileSync(join(dir, file), 'utf8')
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '30', '-subj', '/CN=Test CA')
  for (const who of ['server', 'client']) {
    const subject = `/CN=${who === 'server' ? name : 'client'}`
    openssl('req', ...key, '-keyout', `${who}.key`, '-out', `${who}.csr`, '-subj', subject)
    writeFileSync(join(dir, `${who}.ext`), who === 'server' ? `subjectAltName=DNS:${name},IP:127.0.0.1\n` : '\n')
    openssl(
      'x509',
      '-req',
      '-in',
      `${who}.csr`,
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-out',
      `${who}.pem`,
      '-days',
      '30',
      '-extfile',
      `${who}.ext`,
    )
  }
  return {
    ca: text('ca.pem'),
    cert: text('server.pem'),
    key: text('server.key'),
    client: text('client.pem') + text('client.key'),
  }
}
