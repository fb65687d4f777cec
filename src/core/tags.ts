/** The tags of MLflow's own that mean something here (`mlflow/utils/mlflow_tags.py`). */
export const TAG = {
  /** A run's name, again. */
  runName: 'mlflow.runName',
  /** A run's description. */
  note: 'mlflow.note.content',
  user: 'mlflow.user',
  parentRunId: 'mlflow.parentRunId',
  rootRunId: 'mlflow.rootRunId',
  /** What a run's models are, as a list in JSON. */
  models: 'mlflow.log-model.history',
  /** Which versions a logged model became, as a list in JSON. */
  versions: 'mlflow.modelVersions',
  /** What a run used a dataset for. */
  datasetContext: 'mlflow.data.context',
  /** The pictures and tables of a run, as MLflow's page looks for them. */
  images: 'mlflow.loggedImages',
  tables: 'mlflow.loggedArtifacts',
  sourceName: 'mlflow.source.name',
  sourceType: 'mlflow.source.type',
  commit: 'mlflow.source.git.commit',
  branch: 'mlflow.source.git.branch',
  repoUrl: 'mlflow.source.git.repoURL',
  dirty: 'mlflow.source.git.dirty',
} as const

/** The tag by which a thing that was perhaps made is found again. */
export const OPERATION_TAG = 'cairn.op_id'
