import { isLocal, localPath, schemeOf } from '../artifacts/location.js'
import { DEFAULT_PROFILE } from '../core/model-uri.js'
import { InvalidParameterError } from '../errors.js'
import { isLoopback, parseAddress, printable } from '../http/url.js'

/** Databases are a server's business. */
const DATABASES = new Set(['sqlite', 'postgresql', 'mysql', 'mssql'])

/** A tracking or registry URI as the client keeps it; throws an `InvalidParameterError` that names the way out for one that is not spoken. */
export function checkUri(given: string, isPluggedIn: (scheme: string) => boolean): string {
  const uri = typeof given === 'string' ? given.trim() : given
  const scheme = schemeOf(uri)
  const database = scheme.split('+')[0] ?? ''
  const refuse = (why: string): never => {
    throw new InvalidParameterError(why)
  }
  if (DATABASES.has(database) && !isPluggedIn(scheme))
    return refuse(
      `Cairn does not open ${database}: databases itself; start a server on it (mlflow server --backend-store-uri ${database}:…) and use its http:// address`,
    )
  if (scheme === 'azureml' && !isPluggedIn(scheme))
    return refuse(
      `Cairn has no plug-in for azureml: addresses: write ${printable(uri).replace(/^azureml:/i, 'https:')} and put a token of Azure's into MLFLOW_TRACKING_TOKEN (az account get-access-token --query accessToken), or give the client an auth function that fetches one`,
    )
  const empty = /^(?:https?:\/\/)?(undefined|null)(?:[:/]|$)/.exec(uri)?.[1]
  if (empty)
    return refuse(
      `The URI says ${JSON.stringify(empty)}: a variable was empty when it was put together; set that, or write ./${empty} for a folder of the name`,
    )
  if (/^https?(\/\/|;\/\/)/i.test(uri))
    return refuse('The colon after http is missing: the URI of a server reads http://host:port, or https://…')
  const host = /^([a-z\d][a-z\d.-]+:\d{1,5})(?:[/?#]|$)/i.exec(uri)?.[1]
  // An address of numbers looks like a path.
  if (host && (isLocal(uri) ? !/^file:/i.test(uri) : !isPluggedIn(scheme)))
    return refuse(
      `The URI of a server begins with its scheme: write http://${host}, or ./${host} for a folder of the name`,
    )
  const catalog = /^(databricks-uc(?=:|$)|uc(?=:))/i.exec(uri)?.[1]
  if (catalog && !isPluggedIn(catalog.toLowerCase()))
    return refuse(
      "Unity Catalog's registry is another API, which Cairn does not speak; set MLFLOW_REGISTRY_URI=databricks for the registry of the workspace",
    )
  if (/^databricks$/i.test(uri)) return DEFAULT_PROFILE
  // Of a profile whose name got lost, the default one would take what is another's.
  if (scheme === 'databricks' && !/^databricks:\/\/[^/:]/i.test(uri))
    return refuse(
      'The URI names no profile of Databricks: write databricks://<profile>, with two slashes, or databricks for what the environment says',
    )
  const [, at, port] = /^https?:\/\/(?:.*@)?(?!.*@)([^/?#:]+|\[[^\]/?#]*\]):(\d+)(?:[/?#]|$)/is.exec(uri) ?? []
  if (Number(port) > 65_535) return refuse(`The URI of the server names port ${port} of ${at}: ports end at 65535`)
  if (/^https?$/.test(scheme) && !URL.canParse(uri))
    // Not shown: there may be a password in it.
    return refuse('The URI of the server is no address; write it like http://localhost:5000')
  // A query may hold a secret as well, and no address of a server has one.
  if (/^https?$/.test(scheme)) parseAddress(uri)
  if (isLocal(uri) && /^["']\s*https?:/i.test(uri))
    return refuse('The URI of the server has quotes around it; write it like http://localhost:5000')
  return isLocal(uri) ? localPath(uri) : uri
}

/** Whether a backend is known to be of this machine: a local store, or a server that cannot be reached from elsewhere. */
export const isOfThisMachine = (uri: string): boolean =>
  isLocal(uri) || (/^https?:/i.test(uri) && isLoopback(parseAddress(uri).hostname))
