const UNTRUSTED = /^(CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED|INVALID_CA|UND_ERR_PRX_TLS)/
const OTHER_NAME = /^(HOSTNAME_MISMATCH|ERR_TLS_CERT)/
const CLIENT_ALERT =
  /ALERT_(CERTIFICATE|BAD_CERTIFICATE|UNKNOWN_CA|UNSUPPORTED_CERTIFICATE|DECRYPT_ERROR|ACCESS_DENIED)/
/** A server says no more of a certificate of ours that it misses, where it speaks TLS 1.2. */
const HANDSHAKE = /HANDSHAKE.FAILURE/i
/** Codes of OpenSSL, or its words where there is none but EPROTO. */
const PLAIN_HTTP = /WRONG.VERSION.NUMBER|PACKET.LENGTH.TOO.LONG|HTTP.REQUEST/i
const NOT_IN_COMMON =
  /PROTOCOL.VERSION|UNSUPPORTED.PROTOCOL|NO.PROTOCOLS.AVAILABLE|VERSION.TOO.LOW|NO.(SHARED.)?CIPHER|INSUFFICIENT.SECURITY|KEY.TOO.SMALL|UNSAFE.LEGACY/i
const COMMON = 'no TLS version or cipher in common with us: the server needs TLS 1.2 or newer'
const NO_PEM = /^ERR_OSSL_(PEM|ASN1|X509|EVP|OSSL_DECODER|UNSUPPORTED|BAD_DECRYPT|CRYPTO)/

/** What is wrong with a certificate, theirs or ours, and which setting to look at; `undefined` when it is none of that. */
export function certificateFailure(code: string, message: string, url: string, proxy?: string): string | undefined {
  const whose = proxy === undefined ? url : `the proxy ${proxy} on the way to ${url}`
  const anyhow =
    proxy === undefined
      ? 'or take any with MLFLOW_TRACKING_INSECURE_TLS=true'
      : 'or name the host of the server in NO_PROXY'
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
    return `The certificate of ${whose} ${code === 'CERT_HAS_EXPIRED' ? 'has expired' : 'is not valid yet'} (${code}): have it renewed, check the clock of this machine, ${anyhow}`
  if (OTHER_NAME.test(code))
    return `The certificate of ${whose} is for another name (${message.slice(0, 200)}): write the address in ${proxy === undefined ? 'MLFLOW_TRACKING_URI' : 'HTTPS_PROXY or HTTP_PROXY'} with a name that it holds, ${anyhow}`
  if (UNTRUSTED.test(code))
    return `The certificate of ${whose} is not trusted (${code}): give its authority in ${proxy === undefined ? 'MLFLOW_TRACKING_SERVER_CERT_PATH' : 'NODE_EXTRA_CA_CERTS, or where it is set in the file of MLFLOW_TRACKING_SERVER_CERT_PATH'}, ${anyhow}`
  if (proxy === undefined && CLIENT_ALERT.test(code))
    return `${url} wants a certificate of ours, or does not take the one it was shown (${code}): give certificate and key in MLFLOW_TRACKING_CLIENT_CERT_PATH`
  if (NO_PEM.test(code))
    return `A certificate for ${url} cannot be read (${code}): MLFLOW_TRACKING_SERVER_CERT_PATH and MLFLOW_TRACKING_CLIENT_CERT_PATH name files in PEM, the latter with certificate and key`
  if (code !== 'EPROTO' && !code.startsWith('ERR_SSL')) return undefined
  const reason = `${code} ${message}`
  const noTls = `No TLS with ${whose} (${code})`
  if (HANDSHAKE.test(reason))
    return `${noTls}: it wants a certificate of ours${proxy === undefined ? ' (MLFLOW_TRACKING_CLIENT_CERT_PATH)' : ''}, or there is ${COMMON}`
  if (NOT_IN_COMMON.test(reason)) return `${noTls}: there is ${COMMON}`
  if (PLAIN_HTTP.test(reason))
    return `${noTls}: it may speak plain HTTP; then ${proxy === undefined ? 'the' : 'its'} address begins with http://`
  return `${noTls}: check host and port, and what stands between`
}
