/** The tag that makes a prompt of a registered model, and of its versions: those hold a text instead of files. */
export const PROMPT_TAG = 'mlflow.prompt.is_prompt'

/** The source of a prompt's version; MLflow wants one, and takes no other. */
export const PROMPT_SOURCE = 'dummy-source'

/** Whether a source is one that MLflow's clients or stores give a prompt's version: the name of no place. */
export const isPromptSource = (source: string): boolean => source === PROMPT_SOURCE || source === 'prompt-template'
