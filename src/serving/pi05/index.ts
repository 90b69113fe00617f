/** `myelin/pi05`: asks a pi0.5 server, ours or the seed's own, from Node. */
export { MyelinError } from '../../core/errors.ts';
export type { Rgb } from '../pictures/resize-with-pad.ts';
export type { Pi05Answer, Pi05Metadata, SubtaskRefresh } from './answers.ts';
export type { ImageEncoding, Pi05Observation, Pi05Request } from './encode-request.ts';
export { Pi05Client, type Pi05ClientOptions, type Pi05Result } from './pi05-client.ts';
export type { RequestSummary, TimingSummary } from './request-statistics.ts';
