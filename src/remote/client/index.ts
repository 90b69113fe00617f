/** `myelin/client`: a robot's gateway from a browser or from Node. */
export type { Answer } from '../protocol/answer.ts';
export type { Notice, OperatorInfo } from '../protocol/notice.ts';
export type {
  Installed,
  ProjectDetail,
  ProjectList,
  ProjectSummaryInfo,
  ProjectVersionInfo,
} from '../protocol/projects.ts';
export type { Right } from '../protocol/right.ts';
export {
  type CallOptions,
  type ClientOptions,
  type ConnectionInfo,
  type ConnectionState,
  MyelinClient,
} from './client.ts';
export type { Unsubscribe } from './emitter.ts';
export { HttpClient, type HttpClientOptions } from './http-client.ts';
export { ProjectsClient } from './projects-client.ts';
export { RemoteError } from './remote-error.ts';
export type { RemoteObjects } from './typed-objects.ts';
export type { UploadBody, UploadProgress } from './upload.ts';
