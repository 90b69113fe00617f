import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import {
  decodeData,
  decodeInferReply,
  decodeInferRequest,
  decodePiece,
  encodeData,
  encodeInferReply,
  encodeInferRequest,
  encodePiece,
  type InferReply,
  type InferRequest,
  type ObservationPiece,
} from './protobuf.ts';

const NOTHING = Buffer.alloc(0);

/** A method whose request and answer are written and read by these functions. */
function method<Request, Response>(
  path: string,
  requestStream: boolean,
  request: { write: (value: Request) => Buffer; read: (bytes: Buffer) => Request },
  response: { write: (value: Response) => Buffer; read: (bytes: Buffer) => Response },
): MethodDefinition<Request, Response> {
  return {
    path,
    requestStream,
    responseStream: false,
    requestSerialize: request.write,
    requestDeserialize: request.read,
    responseSerialize: response.write,
    responseDeserialize: response.read,
  };
}

const empty = { write: () => NOTHING, read: (): object => ({}) };
const data = { write: encodeData, read: decodeData };
const piece = { write: encodePiece, read: decodePiece };

const LEROBOT = '/transport.AsyncInference';

/** LeRobot's service, `transport.AsyncInference`. */
export const ASYNC_INFERENCE = {
  sendObservations: method<ObservationPiece, object>(`${LEROBOT}/SendObservations`, true, piece, empty),
  getActions: method<object, Uint8Array>(`${LEROBOT}/GetActions`, false, empty, data),
  sendPolicyInstructions: method<Uint8Array, object>(`${LEROBOT}/SendPolicyInstructions`, false, data, empty),
  ready: method<object, object>(`${LEROBOT}/Ready`, false, empty, empty),
} satisfies ServiceDefinition;

const OWN = '/myelin.Inference';

/**
 * Our own service beside it, for clients and servers of ours: what the stock messages cannot say never enters them.
 * `Describe` tells what the policy needs, and is a heartbeat; `Infer` asks and answers in one call.
 */
export const MYELIN_INFERENCE = {
  describe: method<object, Uint8Array>(`${OWN}/Describe`, false, empty, data),
  infer: method<InferRequest, InferReply>(
    `${OWN}/Infer`,
    false,
    { write: encodeInferRequest, read: decodeInferRequest },
    { write: encodeInferReply, read: decodeInferReply },
  ),
} satisfies ServiceDefinition;
