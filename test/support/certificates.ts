import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tempDir } from './temp-dir.js'

/** Texts in PEM. */
export interface Certificates {
  readonly ca: string
  readonly caKey: string
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

/** What `openssl ca` needs to be told; it alone dates a certificate back. */
const CA_CONF = `[ca]
default_ca = it
[it]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
`

/** An authority of the test's own, a server certificate for `localhost` and 127.0.0.1 (expired when asked for), and a client's. */
export function certificates(name = 'localhost', { expired = false } = {}): Certificates {
  const dir = tempDir()
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' })
  const text = (file: string) => readFileSync(join(dir, file), 'utf8')
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '30', '-subj', '/CN=Test CA')
  for (const who of ['server', 'client']) {
    const subject = `/CN=${who === 'server' ? name : 'client'}`
    openssl('req', ...key, '-keyout', `${who}.key`, '-out', `${who}.csr`, '-subj', subject)
    writeFileSync(join(dir, `${who}.ext`), who === 'server' ? `subjectAltName=DNS:${name},IP:127.0.0.1\n` : '\n')
    if (who === 'server' && expired) {
      writeFileSync(join(dir, 'index.txt'), '')
      writeFileSync(join(dir, 'ca.conf'), CA_CONF)
      const dates = ['-startdate', '20200101000000Z', '-enddate', '20200201000000Z']
      const by = ['-cert', 'ca.pem', '-keyfile', 'ca.key', '-config', 'ca.conf', '-batch', '-notext']
      openssl('ca', ...by, ...dates, '-in', `${who}.csr`, '-out', `${who}.pem`, '-extfile', `${who}.ext`)
      continue
    }
    const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '30']
    openssl('x509', '-req', ...by, '-in', `${who}.csr`, '-out', `${who}.pem`, '-extfile', `${who}.ext`)
  }
  return {
    ca: text('ca.pem'),
    caKey: text('ca.key'),
    cert: text('server.pem'),
    key: text('server.key'),
    client: text('client.pem') + text('client.key'),
  }
}
