// gRPC status as it goes over the wire (PROTOCOL-HTTP2.md of grpc/grpc, "Responses").

/** Those this folder sends of its own accord. */
export const Status = {
  OK: 0,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
} as const;

/** A message is for a log line; it must not grow past one frame of trailers. */
const MESSAGE_CHARS_MAX = 1024;

/** "Percent-Encoded": every byte of its UTF-8 but the printable ASCII ones, and % itself. */
export function encodeStatusMessage(message: string): string {
  let encoded = "";
  for (const byte of Buffer.from(message.slice(0, MESSAGE_CHARS_MAX), "utf8")) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}
