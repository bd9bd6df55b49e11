import {
  readProcessingRequest,
  sizeOfProcessingResponse,
  writeProcessingResponseAt,
} from "../../../extproc/messages/codec.ts";

/** What the native transport needs of extproc/messages, which extproc/grpc does not know. */
export const PROCESSOR_CODEC = {
  readRequest: readProcessingRequest,
  sizeOf: sizeOfProcessingResponse,
  writeAt: writeProcessingResponseAt,
};
