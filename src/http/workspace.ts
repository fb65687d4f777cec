import { heed } from '../core/heed.js'
import { CairnError, InvalidParameterError, NotFoundError } from '../errors.js'
import { notMlflow } from './refusal.js'
import type { HttpAnswer, HttpRequest, Send } from './send.js'

const SERVER_INFO = '/api/3.0/mlflow/server-info'
/** Asked where the other is not there, as by Python's client. */
const SERVER_FEATURES = '/api/3.0/mlflow/server-features'

/**
 * Ways to one server that let no call of its API go out before the server has said that it has workspaces: one that has
 * none may not look at the header, and would put all into the store that everybody shares. What the server says is asked
 * once for all ways; a no is asked again with the next call, and so is what nobody answered.
 */
export function inWorkspace(workspace: string | undefined): (send: Send) => Send {
  let isThere = false
  if (workspace === undefined) return (send) => send

  return (send) => {
    let asking: Promise<void> | undefined

    async function ask(): Promise<void> {
      const answer = (await asked(send, SERVER_INFO)) ?? (await asked(send, SERVER_FEATURES))
      if (answer === undefined)
        throw refused(
          `${send.base} does not say whether it has workspaces (404 from server-info and server-features): it is too old for them, or the path in the tracking URI is wrong`,
        )
      if (!hasWorkspaces(answer)) throw refused(`workspaces are not enabled at ${send.base}`)
      isThere = true
    }

    const refused = (why: string) =>
      new InvalidParameterError(
        `The workspace ${JSON.stringify(workspace)} cannot be used: ${why}. Start the server with --enable-workspaces, or unset MLFLOW_WORKSPACE`,
        // What waits for a server with workspaces goes on waiting.
        { notSent: true },
      )

    async function checked(request: HttpRequest): Promise<void> {
      if (isThere || !isOfApi(request)) return
      asking ??= ask().finally(() => {
        asking = undefined
      })
      await heed(request.signal, asking)
    }

    return {
      ...send,
      async text(request) {
        await checked(request)
        return send.text(request)
      },
      async stream(request) {
        await checked(request)
        return send.stream(request)
      },
    }
  }
}

/** Not what tells of the server itself, nor what goes elsewhere, where no header goes along. */
const isOfApi = ({ path, origin }: HttpRequest): boolean => origin === undefined && /^\/(ajax-)?api\/2\.0\//.test(path)

/** The answer from one place; undefined where the server has none there. */
async function asked(send: Send, path: string): Promise<HttpAnswer | undefined> {
  try {
    return await send.text({ method: 'GET', path, idempotent: true })
  } catch (error) {
    if (error instanceof NotFoundError) return undefined
    // Of the call that waits for it nothing has left this process.
    if (error instanceof CairnError && error.status === undefined) Object.assign(error, { notSent: true })
    throw error
  }
}

function hasWorkspaces(answer: HttpAnswer): boolean {
  try {
    return (JSON.parse(answer.text) as { workspaces_enabled?: unknown } | null)?.workspaces_enabled === true
  } catch {
    throw notMlflow(answer)
  }
}
