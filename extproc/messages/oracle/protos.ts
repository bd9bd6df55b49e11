import { fileURLToPath } from "node:url";
import { loadSync, type MethodDefinition } from "@grpc/proto-loader";

// The message types of protos/, as @grpc/proto-loader makes them. For tests and benchmarks only.

const PROTOS = fileURLToPath(new URL("../../../protos/", import.meta.url));

// Plain objects that hold what the sender set and nothing else: numbers for enums, views for bytes, and for each oneof
// a property with the name of the arm that is set.
const AS_SENT = { includeDirs: [PROTOS], longs: Number, defaults: false, oneofs: true };

/** Bytes to plain objects and back, in the four ways one method has. */
export type Method = Pick<
  MethodDefinition<object, object>,
  "requestSerialize" | "requestDeserialize" | "responseSerialize" | "responseDeserialize"
>;

const methods = new Map<string, Method>();

/** The method of a service in protos/; its .proto file is read on first use. */
export function loadMethod(file: string, service: string, name: string): Method {
  const key = `${service}/${name}`;
  let method = methods.get(key);
  if (method === undefined) {
    // proto-loader types a package as a bag of services, messages and enums; this name is a service of ours.
    const definition = loadSync(file, AS_SENT)[service] as Record<string, MethodDefinition<object, object>>;
    method = definition[name] as MethodDefinition<object, object>;
    methods.set(key, method);
  }
  return method;
}

/** The same memory as a Buffer, which protobufjs reads bytes from as views and strings natively. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
